//! `emberline workers`: the servers and workers of a PostgreSQL database.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use protocol::Worker;
use std::io::{self, Write};
use store::{Process, Store};

/// Options of `emberline workers`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct WorkersArgs {
    /// What to do; lists them by default.
    #[command(subcommand)]
    pub act: Option<WorkersAct>,

    /// The PostgreSQL database that the servers use: `postgres://...`.
    #[arg(long, env = "EMBERLINE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: String,

    /// Print the list as JSON, with the fields of the API.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

/// An action of `emberline workers`.
#[derive(Clone, Debug, Subcommand)]
pub enum WorkersAct {
    /// Let workers finish their pictures and start no others.
    Drain {
        /// The name of the workers, or the id of one.
        name: String,
    },
    /// Let workers start pictures again.
    Resume {
        /// The name of the workers, or the id of one.
        name: String,
    },
}

/// Lists the workers, after an action on some of them.
pub fn run(args: &WorkersArgs) -> Result<()> {
    if store::sqlite_file(&args.database_url).is_some() {
        bail!(
            "--database-url: a PostgreSQL database is needed; a SQLite file has one server, which makes its pictures"
        );
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let workers = runtime.block_on(async {
        let store = Store::look(&args.database_url).await.context("cannot open the database")?;
        let listed = act(&store, args.act.as_ref()).await;
        store.close().await.context("cannot close the database")?;
        listed
    })?;
    print(&workers, args.json).context("cannot print the list")
}

async fn act(store: &Store, act: Option<&WorkersAct>) -> Result<Vec<Worker>> {
    let (name, draining) = match act {
        None => return list(store, |_| true).await,
        Some(WorkersAct::Drain { name }) => (name, true),
        Some(WorkersAct::Resume { name }) => (name, false),
    };
    let is_meant = |worker: &Worker| worker.name == *name || worker.id.0 == *name;
    let meant = list(store, is_meant).await?;
    if meant.is_empty() {
        let names: Vec<String> = list(store, |_| true).await?.into_iter().map(|worker| worker.name).collect();
        bail!(
            "there is no worker {name}; there are: {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        );
    }
    for worker in &meant {
        store.set_draining(&worker.id.0, draining).await?;
    }
    list(store, is_meant).await
}

async fn list(store: &Store, is_meant: impl Fn(&Worker) -> bool) -> Result<Vec<Worker>> {
    let processes = store.processes().await.context("cannot read the list")?;
    let mut workers: Vec<Worker> = processes.iter().map(Process::to_worker).filter(is_meant).collect();
    workers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(workers)
}

fn print(workers: &[Worker], json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, workers)?;
        writeln!(out)?;
        return Ok(());
    }
    for worker in workers {
        writeln!(out, "{}", line(worker))?;
    }
    Ok(())
}

/// `gpu-1  worker  0123abcd  CPU, 1 at a time: starter; makes task 7`.
fn line(worker: &Worker) -> String {
    let models: Vec<&str> = worker.models.iter().map(|model| model.name.as_str()).collect();
    let what = match worker.concurrency {
        0 => "makes no pictures".to_owned(),
        at_once => format!("{}, {at_once} at a time: {}", worker.device, models.join(", ")),
    };
    let tasks: Vec<String> = worker.tasks.iter().map(ToString::to_string).collect();
    let now = match (worker.tasks.is_empty(), worker.draining) {
        (true, true) => "; drained".to_owned(),
        (true, false) => String::new(),
        (false, draining) => {
            format!("; {} {}", if draining { "drains, makes task" } else { "makes task" }, tasks.join(", "))
        }
    };
    let id: String = worker.id.0.chars().take(8).collect();
    format!("{}  {}  {id}  {what}{now}", worker.name, worker.kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{TaskId, WorkerId, WorkerKind, WorkerModel};

    #[test]
    fn a_line_says_what_a_worker_does() {
        let model = |name: &str| WorkerModel { name: name.to_owned(), fingerprint: None };
        let worker = Worker {
            id: WorkerId("0123456789abcdef".into()),
            name: "gpu-1".into(),
            kind: WorkerKind::Worker,
            version: "1".into(),
            device: "CPU".into(),
            concurrency: 2,
            models: vec![model("a"), model("b")],
            loaded: Vec::new(),
            draining: true,
            tasks: vec![TaskId(7), TaskId(9)],
        };
        assert_eq!(line(&worker), "gpu-1  worker  01234567  CPU, 2 at a time: a, b; drains, makes task 7, 9");
        let drained = Worker { tasks: Vec::new(), ..worker.clone() };
        assert_eq!(line(&drained), "gpu-1  worker  01234567  CPU, 2 at a time: a, b; drained");
        let web = Worker { concurrency: 0, draining: false, kind: WorkerKind::Server, ..drained };
        assert_eq!(line(&web), "gpu-1  server  01234567  makes no pictures");
    }
}
