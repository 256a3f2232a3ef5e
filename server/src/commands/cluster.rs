//! What `emberline doctor` says of a database that several servers use.

use anyhow::{Context, Result, bail};
use engine::{Media, recovery};
use protocol::Worker;
use std::collections::BTreeMap;
use store::{Health, Process, Store};

/// The oldest version of PostgreSQL that Emberline is tested with.
const OLDEST: u32 = 15;

/// Clocks that are further apart than this put lists into a wrong order.
const CLOCK_MS: u64 = 5_000;

/// A change that waits for another one for longer than this is a fault.
const LOG_WAIT_S: u32 = 3;

/// What is checked, and what was found.
pub type Finding = (&'static str, Result<String>);

/// Looks at the database, its servers and workers, their models, and the folder that they share, if they share one. Empty for
/// SQLite.
pub async fn findings(store: &Store, media: Option<&Media>) -> Vec<Finding> {
    let health = match store.health().await {
        Ok(None) => return Vec::new(),
        Ok(Some(health)) => Ok(health),
        Err(error) => Err(anyhow::Error::from(error).context("cannot look at PostgreSQL")),
    };
    let workers = store.processes().await.context("cannot read the list of servers and workers");
    let workers = workers.map(|processes| processes.iter().map(Process::to_worker).collect::<Vec<_>>());
    let silent = health.as_ref().map(|health| health.silent.clone()).unwrap_or_default();
    let (listed, models) = match workers {
        Ok(workers) => (Ok(list(&workers, &silent)), models(&workers)),
        Err(error) => (Err(error), Ok("cannot be judged without the list of servers and workers".to_owned())),
    };
    let mut found =
        vec![("postgres", health.and_then(|health| postgres(&health))), ("workers", listed), ("shared", models)];
    if let Some(media) = media {
        let folder = recovery::join(store, media).await.map_err(Into::into);
        let folder = folder.map(|()| format!("{} is the folder of this database", media.folder().display()));
        found.push(("pictures", folder));
    }
    found
}

fn postgres(of: &Health) -> Result<String> {
    let faults = faults(of);
    if !faults.is_empty() {
        bail!("PostgreSQL {}: {}", of.version, faults.join("; "));
    }
    let encrypted = if of.is_encrypted { "encrypted" } else { "not encrypted" };
    let standby = match of.synchronous_standbys.as_str() {
        "" => "commits wait for no standby: one that takes over may lack the last changes".to_owned(),
        names => format!("commits wait for standbys ({names})"),
    };
    let (used, most) = of.connections;
    Ok(format!(
        "PostgreSQL {}, {encrypted}; this clock is {} ms {} it; {used} of {most} connections; {standby}",
        of.version,
        of.clock_ahead_ms.unsigned_abs(),
        if of.clock_ahead_ms < 0 { "behind" } else { "ahead of" },
    ))
}

fn faults(of: &Health) -> Vec<String> {
    let mut faults = Vec::new();
    if of.major < OLDEST {
        faults.push(format!("version {OLDEST} or newer is needed"));
    }
    if of.is_standby {
        faults.push("it is a standby, which cannot be written: use the address of the primary".to_owned());
    }
    if !of.missing_rights.is_empty() {
        faults.push(format!("a server's role lacks rights: {}", of.missing_rights.join(", ")));
    }
    if of.clock_ahead_ms.unsigned_abs() > CLOCK_MS {
        faults.push(format!("this machine's clock is {} ms apart from it: run NTP on both", of.clock_ahead_ms));
    }
    if of.commits == "off" {
        faults.push("synchronous_commit is off: its crash loses changes that were answered".to_owned());
    }
    if !of.has_autovacuum {
        faults.push("autovacuum is off: its tables grow without end".to_owned());
    }
    if !of.idle_transactions.is_empty() {
        faults.push(format!(
            "transactions are open and idle, and others wait for them: {}",
            of.idle_transactions.join("; ")
        ));
    }
    if of.log_wait_s > LOG_WAIT_S {
        faults.push(format!("a change has been waiting for {} s for another one to end", of.log_wait_s));
    }
    let (used, most) = of.connections;
    // Three are kept for its administrator.
    if used + 3 >= most {
        faults
            .push(format!("{used} of {most} connections are used: raise max_connections, or put PgBouncer before it"));
    }
    faults
}

/// One line for each server and worker, and those that do not answer.
fn list(workers: &[Worker], silent: &[String]) -> String {
    let mut lines = vec![format!("{} servers and workers", workers.len())];
    lines.extend(workers.iter().map(|worker| {
        let draining = if worker.draining { ", draining" } else { "" };
        let (kind, device) = (worker.kind.as_str(), &worker.device);
        format!("{}: {kind} {}, {device}, {} tasks{draining}", worker.name, worker.version, worker.tasks.len())
    }));
    lines.extend(silent.iter().map(|silent| format!("does not answer: {silent}")));
    lines.join("\n      ")
}

/// A model's name has to mean the same files on all machines.
fn models(workers: &[Worker]) -> Result<String> {
    let mut by_name: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.concurrency > 0) {
        for model in &worker.models {
            let who = by_name.entry(&model.name).or_default();
            if let Some(fingerprint) = &model.fingerprint {
                who.entry(fingerprint).or_default().push(&worker.name);
            }
        }
    }
    let differing = by_name.iter().filter(|(_, who)| who.len() > 1).map(|(name, who)| {
        let who: Vec<String> = who.iter().map(|(print, who)| format!("{print} on {}", who.join(", "))).collect();
        format!("{name} is {}", who.join(", and "))
    });
    let differing: Vec<String> = differing.collect();
    if !differing.is_empty() {
        bail!("models with one name and different files: {}", differing.join("; "));
    }
    Ok(match by_name.is_empty() {
        true => "nobody has a model: tasks wait".to_owned(),
        false => format!("models of all: {}", by_name.into_keys().collect::<Vec<_>>().join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{WorkerId, WorkerKind, WorkerModel};

    fn healthy() -> Health {
        Health {
            version: "15.1".into(),
            major: 15,
            commits: "on".into(),
            has_autovacuum: true,
            connections: (20, 100),
            ..Health::default()
        }
    }

    #[test]
    fn each_fault_is_named() {
        let text = postgres(&Health { clock_ahead_ms: -12, ..healthy() }).expect("healthy");
        assert!(text.contains("this clock is 12 ms behind it; 20 of 100 connections"), "{text}");
        let faults = [
            (Health { major: 14, ..healthy() }, "version 15"),
            (Health { is_standby: true, ..healthy() }, "a standby"),
            (Health { missing_rights: vec!["INSERT on tasks".into()], ..healthy() }, "lacks rights: INSERT on tasks"),
            (Health { clock_ahead_ms: -5001, ..healthy() }, "-5001 ms apart"),
            (Health { commits: "off".into(), ..healthy() }, "synchronous_commit is off"),
            (Health { has_autovacuum: false, ..healthy() }, "autovacuum is off"),
            (Health { idle_transactions: vec!["psql, process 7, 9 s".into()], ..healthy() }, "psql, process 7, 9 s"),
            (Health { log_wait_s: 4, ..healthy() }, "waiting for 4 s"),
            (Health { connections: (97, 100), ..healthy() }, "97 of 100 connections"),
        ];
        for (health, expected) in faults {
            let error = postgres(&health).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_name_with_two_fingerprints_is_a_fault() {
        let worker = |name: &str, concurrency, fingerprint: &str| Worker {
            id: WorkerId(name.into()),
            name: name.into(),
            kind: WorkerKind::Worker,
            version: "1".into(),
            device: "CPU".into(),
            concurrency,
            models: vec![WorkerModel { name: "one".into(), fingerprint: Some(fingerprint.into()) }],
            loaded: Vec::new(),
            draining: false,
            tasks: Vec::new(),
        };
        let same = [worker("a", 1, "f"), worker("b", 1, "f"), worker("web", 0, "other")];
        assert_eq!(models(&same).expect("the same"), "models of all: one");
        let error = models(&[worker("a", 1, "f"), worker("b", 1, "g")]).expect_err("two").to_string();
        assert_eq!(error, "models with one name and different files: one is f on a, and g on b");
    }
}
