//! The command line. Every option can also be set by an environment variable, `EMBERLINE_<OPTION>`. Nothing else reads
//! arguments or environment variables.

use crate::{
    commands::{
        doctor::DoctorArgs,
        generate::GenerateArgs,
        inspect::InspectArgs,
        library::{FOLDERS, LibraryArgs},
        migrate::MigrateArgs,
        model::ModelChoice,
        moving::MoveArgs,
        upscale::UpscaleArgs,
        workers::WorkersArgs,
    },
    http::{access::Secret, base_path::BasePath, client::Network},
    logging::{self, LogFormat},
    media_url::MediaUrl,
};
use clap::{Args, Parser, Subcommand};
use engine::InjectedFault;
use sdxl::{DeviceChoice, Precision};
use std::{net::SocketAddr, path::PathBuf};

/// A self-hosted studio for picture sequences with Stable Diffusion XL, in which you watch each picture form.
#[derive(Debug, Parser)]
#[command(name = "emberline", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Log filter in the syntax of `tracing`: `warn`, `info`, `server=debug,info`.
    #[arg(long, env = "EMBERLINE_LOG", default_value = logging::DEFAULT_FILTER, global = true)]
    pub log: String,

    /// Format of log lines, which always go to standard error.
    #[arg(long, env = "EMBERLINE_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// One command of the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the studio's server and print its address.
    Serve(Box<ServeArgs>),
    /// Make pictures for the servers of a PostgreSQL database. Opens no port unless --metrics-listen is given.
    Worker(Box<WorkerArgs>),
    /// List the servers and workers of a PostgreSQL database, or drain one.
    Workers(WorkersArgs),
    /// Copy everything to another database and folder of pictures, from one machine to several or back.
    Move(Box<MoveArgs>),
    /// Bring a database's tables up to date, for servers that are started with --no-migrate.
    Migrate(MigrateArgs),
    /// Make one picture without a server.
    Generate(Box<GenerateArgs>),
    /// Enlarge a picture.
    Upscale(UpscaleArgs),
    /// Show what a checkpoint is: model, layout, number formats, and what is missing or unexpected.
    Inspect(InspectArgs),
    /// List the files in folders of models: what each is, and why it cannot be used.
    Library(LibraryArgs),
    /// Check devices, database, disk, model and orphans. Changes nothing.
    Doctor(DoctorArgs),
}

/// Options of `emberline serve`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes any free one. Any other than a loopback
    /// address needs a password or a token.
    #[arg(long, env = "EMBERLINE_LISTEN", default_value = "127.0.0.1:3000", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,

    /// Folder for the database and the pictures [default: the platform's user-data folder]
    #[arg(long, env = "EMBERLINE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Database: `sqlite:FILE` or `postgres://...` [default: SQLite inside the data folder]. A PostgreSQL server on another machine
    /// needs TLS; `?sslmode=` and `&sslrootcert=` are those of libpq.
    #[arg(long, env = "EMBERLINE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where the pictures are, in place of the data folder: a folder (a path, or file:///PATH), or an object store
    /// (s3://BUCKET/PREFIX). All servers on one PostgreSQL database need the same; each has its own data folder. The object
    /// store's credentials, region and endpoint are those of the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    /// AWS_REGION, AWS_ENDPOINT_URL.
    #[arg(long, env = "EMBERLINE_MEDIA_URL", value_name = "URL")]
    pub media_url: Option<MediaUrl>,

    /// Folder of this server's own for a cache of pictures, 2 GiB at most, and for finished ones that wait. Only with --media-url
    /// s3://… [default: cache in the data folder]
    #[arg(long, env = "EMBERLINE_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Seconds until another server takes up the pictures of one that does not answer, 2 to 60. Only with PostgreSQL.
    #[arg(long, env = "EMBERLINE_LEASE", value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=60))]
    pub lease: u8,

    /// Do not bring the database's tables up to date: the start fails if they are not. `emberline migrate` does it.
    #[arg(long, env = "EMBERLINE_NO_MIGRATE")]
    pub no_migrate: bool,

    /// Start although pictures are missing, if they are lost for good. For one start only. Their rows in the database are
    /// saved to `lost+found` in the data folder.
    #[arg(long, env = "EMBERLINE_ACCEPT_MISSING_PICTURES")]
    pub accept_missing_pictures: bool,

    /// The models and the device.
    #[command(flatten)]
    pub models: ModelArgs,

    /// Folder of wildcard files: `__hair/color__` in a prompt is a random line of `hair/color.txt`.
    #[arg(long, env = "EMBERLINE_WILDCARDS", value_name = "DIR")]
    pub wildcards: Option<PathBuf>,

    /// Generations at the same time, 1 to 16. Those with the same model share it. 0: this server makes no pictures; others on the
    /// same PostgreSQL database do.
    #[arg(long, env = "EMBERLINE_CONCURRENCY", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub concurrency: u8,

    /// Password to sign in, at least 8 characters, or its argon2 hash. With a password or a token set, every request needs
    /// one. Other users of this machine can see command lines: prefer the environment variable or a file.
    #[arg(long, env = "EMBERLINE_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub password: Option<Secret>,

    /// A file with the password, or with its argon2 hash.
    #[arg(long, env = "EMBERLINE_PASSWORD_FILE", value_name = "FILE", conflicts_with = "password")]
    pub password_file: Option<PathBuf>,

    /// Token that programs send as `Authorization: Bearer TEXT`, at least 16 characters. It can be used to sign in, too.
    #[arg(long, env = "EMBERLINE_TOKEN", value_name = "TEXT", hide_env_values = true)]
    pub token: Option<Secret>,

    /// Host name of this server, `studio.example` or `studio.example:8443`, for example behind a proxy. IP addresses and
    /// localhost always work. Repeat the option, or separate names by commas.
    #[arg(long, env = "EMBERLINE_HOST", value_name = "NAME", value_delimiter = ',')]
    pub host: Vec<String>,

    /// Address of a proxy in front of this server, or a block such as 10.0.0.0/8. Its header `X-Forwarded-For` gives the
    /// client's address for the sign-in limits and the log. None by default. Repeat the option, or separate by commas.
    #[arg(long, env = "EMBERLINE_TRUST_PROXY", value_name = "ADDR", value_delimiter = ',')]
    pub trust_proxy: Vec<Network>,

    /// Path under which everything is served, `/studio`, for a proxy that passes the path on unchanged.
    #[arg(long, env = "EMBERLINE_BASE_PATH", value_name = "PATH", default_value = "", hide_default_value = true)]
    pub base_path: BasePath,

    /// Another origin whose pages may use this server, `http://127.0.0.1:8080`, for a front end served by a development
    /// server such as trunk. Repeat the option, or separate by commas.
    #[arg(long, env = "EMBERLINE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,

    /// Serve the front end's files from this folder instead of those inside the binary.
    #[arg(long, env = "EMBERLINE_SITE_ROOT", value_name = "DIR")]
    pub site_root: Option<PathBuf>,

    /// For tests of the recovery. `device@STEP`: the first generation that reaches this sampling step loses the device, once.
    /// `disk-full@SECONDS` and similar: a temporary fault that starts with the first generation. `slow@MILLISECONDS`: each step
    /// takes that much longer. There is no environment variable, so that it is never set by accident.
    #[arg(long, value_name = "FAULT", hide = true)]
    pub inject_fault: Option<InjectedFault>,

    /// For tests of versions beside each other: it draws this version of the drawing protocol, and the tasks that it creates need it.
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub pretend_protocol: Option<u32>,
}

/// Which models there are, and where they are computed.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// The model: an SDXL .safetensors file, a diffusers folder, a folder with several of either to choose
    /// from, or `starter`, the small one inside this program [default: the model of --models used last, else
    /// starter]
    #[arg(long, env = "EMBERLINE_MODEL", value_name = "PATH")]
    pub model: Option<ModelChoice>,

    /// A folder of checkpoints, LoRA files and embeddings, for example ComfyUI's or A1111's `models`. It is scanned in the
    /// background and watched; nothing in it is changed. Repeat the option for several folders; in the environment variable
    /// they are separated as in PATH.
    #[arg(long, env = "EMBERLINE_MODELS", value_name = "DIR", value_delimiter = FOLDERS)]
    pub models: Vec<PathBuf>,

    /// Take the preview decoder from here (diffusers' AutoencoderTiny, or the original taesdxl file).
    #[arg(long, env = "EMBERLINE_TAESD", value_name = "PATH")]
    pub taesd: Option<PathBuf>,

    /// Take the VAE from here.
    #[arg(long, env = "EMBERLINE_VAE", value_name = "PATH")]
    pub vae: Option<PathBuf>,

    /// Where to compute; auto takes a real GPU, else the CPU.
    #[arg(long, env = "EMBERLINE_DEVICE", value_name = "auto|cpu|wgpu|wgpu:N", default_value = "auto")]
    pub device: DeviceChoice,

    /// The UNet's and text encoders' number type [default: f16 on a GPU that has it, else f32]
    #[arg(long, env = "EMBERLINE_DTYPE", value_name = "f32|f16|bf16")]
    pub dtype: Option<Precision>,

    /// Models in memory at the same time, 1 to 16; fewer if there is not enough memory. If there is no room for another, the
    /// one that was not used for the longest time is unloaded; one in use never is. [default: the server's setting, at first 1]
    #[arg(long, env = "EMBERLINE_MODELS_IN_MEMORY", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub models_in_memory: Option<u8>,
}

/// Options of `emberline worker`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct WorkerArgs {
    /// The PostgreSQL database that the servers use: `postgres://...`.
    #[arg(long, env = "EMBERLINE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: String,

    /// Where the servers keep the pictures: a path, file:///PATH, or s3://BUCKET/PREFIX.
    #[arg(long, env = "EMBERLINE_MEDIA_URL", value_name = "URL")]
    pub media_url: MediaUrl,

    /// Folder of this worker's own for a cache of pictures, 2 GiB at most, and for finished ones that wait. Only with --media-url
    /// s3://…, which needs it.
    #[arg(long, env = "EMBERLINE_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// The models and the device.
    #[command(flatten)]
    pub models: ModelArgs,

    /// Generations at the same time, 1 to 16. Those with the same model share it.
    #[arg(long, env = "EMBERLINE_CONCURRENCY", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub concurrency: u8,

    /// Its name, for people [default: the machine's name]
    #[arg(long, env = "EMBERLINE_NAME", value_name = "NAME", value_parser = worker_name)]
    pub name: Option<String>,

    /// Address for /metrics (Prometheus) and /health, without a password: a loopback address. By default a worker opens no port.
    #[arg(long, env = "EMBERLINE_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// Seconds that it may take after SIGTERM to finish its pictures. What is not finished then goes on elsewhere, after its saved
    /// steps. A second signal ends the wait.
    #[arg(long, env = "EMBERLINE_DRAIN", value_name = "SECONDS", default_value_t = 60)]
    pub drain: u16,

    /// Seconds until another server takes up the pictures of one that does not answer, 2 to 60; the same as the servers'.
    #[arg(long, env = "EMBERLINE_LEASE", value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u8).range(2..=60))]
    pub lease: u8,

    /// As that of `serve`, for tests.
    #[arg(long, value_name = "FAULT", hide = true)]
    pub inject_fault: Option<InjectedFault>,

    /// For tests of versions beside each other: it draws this version of the drawing protocol, and the tasks that it creates need it.
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub pretend_protocol: Option<u32>,
}

/// The name of a worker: 1 to 100 characters in one line.
fn worker_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err("must be 1 to 100 characters in one line".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_is_an_environment_variable_too() {
        let command = Cli::command();
        let options = command.get_subcommands().flat_map(|sub| sub.get_arguments()).chain(command.get_arguments());
        let special = ["help", "version", "inject_fault", "pretend_protocol"];
        for option in options.filter(|arg| !arg.is_positional() && !special.contains(&arg.get_id().as_str())) {
            let long = option.get_long().expect("every option has a long name");
            let expected = format!("EMBERLINE_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(option.get_env().and_then(|env| env.to_str()), Some(expected.as_str()), "--{long}");
        }
    }

    #[test]
    fn the_fault_of_the_tests_is_in_no_help_and_has_no_variable() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("a command");
        let option = serve.get_arguments().find(|arg| arg.get_id() == "inject_fault").expect("an option");
        assert!(option.is_hide_set() && option.get_env().is_none());
        let parse = |fault| Cli::try_parse_from(["emberline", "serve", "--inject-fault", fault]);
        assert!(parse("device@3").is_ok() && parse("disk-full@30").is_ok());
        let error = parse("disk@3").expect_err("there is no such fault").to_string();
        assert!(error.contains("there is no fault \"disk@3\"; it is device@STEP"), "{error}");
    }
}
