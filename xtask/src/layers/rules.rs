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
    Rule { in_crate: "app", module: "drafts", never: &["components", "forms", "live", "serverfns", "studio", "view"] },
    Rule { in_crate: "app", module: "forms", never: &["components", "live", "pages", "studio"] },
    Rule { in_crate: "app", module: "live", never: &["components", "pages", "serverfns", "studio"] },
    Rule { in_crate: "app", module: "pages", never: &["live::socket", "live::wire"] },
    Rule { in_crate: "app", module: "serverfns", never: &["components", "live", "pages"] },
    Rule { in_crate: "app", module: "studio", never: &["live::socket", "pages"] },
    Rule { in_crate: "app", module: "studio::cells", never: &["components", "live", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::refresh", never: &["components", "live", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::state", never: &["components", "serverfns", "studio::store"] },
    Rule { in_crate: "app", module: "studio::zoom", never: &["components", "live", "serverfns", "studio::store"] },
    // The server: a command needs no server, and what a request does is not known to the network below it.
    Rule { in_crate: "server", module: "commands", never: &["http", "net", "serve", "state", "ws"] },
    Rule { in_crate: "server", module: "http", never: &["commands", "serve", "ws"] },
    Rule { in_crate: "server", module: "net", never: &["commands", "serve", "state", "ws"] },
    Rule { in_crate: "server", module: "ws", never: &["commands", "serve"] },
    // The model: a format knows no model, a layer knows no network, a network knows no pipeline.
    Rule {
        in_crate: "checkpoint",
        module: "safetensors",
        never: &["checkpoint", "config", "names", "plan", "recommend", "source"],
    },
    Rule { in_crate: "diffusion", module: "noise", never: &["guidance", "sampler", "schedule"] },
    // The sampler tcd is defined by timesteps, so samplers use the schedule's table.
    Rule { in_crate: "diffusion", module: "sampler", never: &["guidance"] },
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
pub const KNOWN_CYCLES: &[KnownCycle] = &[];
