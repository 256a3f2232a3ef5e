//! The tables of what modules must not use. This is the file to edit.

/// A module of a crate, and the modules of the same crate that it must not use. Each name includes the modules below
/// it: `http` is `http::routes` too. A name that is no module any more fails the check.
pub struct Rule {
    pub in_crate: &'static str,
    pub module: &'static str,
    pub never: &'static [&'static str],
}

/// An edge that closes a cycle between two sibling modules and is not removed yet.
pub struct KnownCycle {
    pub in_crate: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

pub const RULES: &[Rule] = &[
    // The page: what computes does not know what draws, and a part that many use knows none of its users.
    Rule { in_crate: "app", module: "components", never: &["pages", "shell", "studio"] },
    Rule { in_crate: "app", module: "live", never: &["components", "pages", "serverfns", "services", "studio"] },
    Rule { in_crate: "app", module: "pages", never: &["live::socket", "live::wire"] },
    Rule { in_crate: "app", module: "serverfns", never: &["components", "live", "pages"] },
    Rule { in_crate: "app", module: "services", never: &["components", "live", "pages", "serverfns", "studio"] },
    Rule { in_crate: "app", module: "studio", never: &["live::socket", "pages", "services"] },
    Rule { in_crate: "app", module: "studio::draft", never: &["components", "live", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::refresh", never: &["components", "live", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::state", never: &["components", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::zoom", never: &["components", "live", "serverfns", "studio::store"] },
    // The server: a command needs no server, and what a request does is not known to the network below it.
    Rule { in_crate: "server", module: "commands", never: &["http", "net", "serve", "state", "ws"] },
    Rule { in_crate: "server", module: "exports", never: &["commands", "http", "net", "ws"] },
    Rule { in_crate: "server", module: "http", never: &["commands", "serve"] },
    Rule { in_crate: "server", module: "net", never: &["commands", "serve", "service", "state", "ws"] },
    Rule { in_crate: "server", module: "service", never: &["http", "net", "serve", "state"] },
    Rule { in_crate: "server", module: "ws", never: &["commands", "serve"] },
    // The model: a format knows no model, a layer knows no network, a network knows no pipeline.
    Rule {
        in_crate: "checkpoint",
        module: "safetensors",
        never: &["checkpoint", "config", "memory", "names", "plan", "recommend", "source"],
    },
    Rule { in_crate: "diffusion", module: "noise", never: &["guidance", "sampler", "schedule"] },
    Rule { in_crate: "diffusion", module: "sampler", never: &["guidance", "schedule"] },
    Rule { in_crate: "diffusion", module: "schedule", never: &["guidance", "noise", "sampler"] },
    Rule { in_crate: "sdxl", module: "clip", never: &["pipeline", "unet", "vae"] },
    Rule { in_crate: "sdxl", module: "nn", never: &["clip", "pipeline", "taesd", "text", "unet", "vae"] },
    Rule { in_crate: "sdxl", module: "unet", never: &["clip", "pipeline", "taesd", "text", "vae"] },
    Rule { in_crate: "sdxl", module: "vae", never: &["clip", "pipeline", "taesd", "text", "unet"] },
    // Pictures' records: a file's container is read without knowing which program wrote it.
    Rule {
        in_crate: "png_info",
        module: "container",
        never: &["comfyui", "infotext", "parameters", "programs", "record"],
    },
    // The database: rows and tables do not know the queries.
    Rule {
        in_crate: "store",
        module: "rows",
        never: &["creation", "frames", "lifecycle", "projects", "store", "takes", "tasks"],
    },
    Rule { in_crate: "store", module: "schema", never: &["backend", "rows", "store"] },
    // The timeline: time and pixels are computed without knowing what is edited.
    Rule { in_crate: "timeline", module: "axis", never: &["edit", "play", "selection"] },
    Rule { in_crate: "timeline", module: "clips", never: &["edit", "play", "selection"] },
];

/// Cycles that are older than this check. The list only shrinks: an entry that closes no cycle any more fails the
/// check. A new cycle is not added here but avoided: move what both need into a module of its own.
pub const KNOWN_CYCLES: &[KnownCycle] = &[
    // A generation's form values (`Draft`) are also what the server function takes.
    KnownCycle { in_crate: "app", from: "serverfns", to: "studio" },
    // `icon_button` takes an `Icon`, and components use `view`'s helpers.
    KnownCycle { in_crate: "app", from: "view", to: "components" },
    // The crate's error holds the plan's.
    KnownCycle { in_crate: "checkpoint", from: "error", to: "plan" },
    // `Naming` and `Source` are one module; the plan needs both, a source gives tensors of the plan's type.
    KnownCycle { in_crate: "checkpoint", from: "plan", to: "source" },
    KnownCycle { in_crate: "checkpoint", from: "source", to: "config" },
    // Names of tensors depend on the config's sizes, and a config is read from names.
    KnownCycle { in_crate: "checkpoint", from: "config", to: "names" },
    KnownCycle { in_crate: "checkpoint", from: "plan", to: "names" },
    // A recommendation's defaults are read from the scheduler's file.
    KnownCycle { in_crate: "checkpoint", from: "config", to: "recommend" },
    KnownCycle { in_crate: "checkpoint", from: "shape", to: "recommend" },
    // `OpenOptions` and `TokenizerFiles` are in the module of `Checkpoint`.
    KnownCycle { in_crate: "checkpoint", from: "source", to: "checkpoint" },
    KnownCycle { in_crate: "checkpoint", from: "safetensors::json", to: "safetensors::header" },
    // Workers share the engine's state, which starts them.
    KnownCycle { in_crate: "engine", from: "engine", to: "worker" },
    KnownCycle { in_crate: "png_info", from: "parameters", to: "infotext" },
    KnownCycle { in_crate: "sdxl", from: "text", to: "picture" },
    KnownCycle { in_crate: "sdxl", from: "tokenizer::files", to: "tokenizer::added" },
    // The table of routes mounts the socket.
    KnownCycle { in_crate: "server", from: "http", to: "ws" },
    // The hub, to which changes are published, is in the socket's module.
    KnownCycle { in_crate: "server", from: "service", to: "ws" },
    KnownCycle { in_crate: "server", from: "state", to: "ws" },
    // Which models a folder offers is found by the commands' code.
    KnownCycle { in_crate: "server", from: "service", to: "commands" },
    KnownCycle { in_crate: "store", from: "backend", to: "store" },
    KnownCycle { in_crate: "store", from: "backend::sqlite", to: "backend::files" },
    KnownCycle { in_crate: "store", from: "frames", to: "creation" },
    KnownCycle { in_crate: "store", from: "takes", to: "frames" },
];
