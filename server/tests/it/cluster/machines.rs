//! Two servers, three workers, and PostgreSQL; each process has its own way to the database, and is started again when it ends.

use super::{
    balancer::{Balancer, free_port},
    proxy::Proxy,
};
use crate::support::{emberline, request};
use serde_json::Value;
use std::{
    fs::{File, read_to_string},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use test_postgres::Cluster;
use test_s3::TestS3;

/// How long a process that has ended stays away.
const AWAY: Duration = Duration::from_millis(300);
/// How long the machines may take to start.
const START: Duration = Duration::from_secs(60);

/// A server or a worker.
pub struct Machine {
    pub name: String,
    pub is_worker: bool,
    pub proxy: Proxy,
    /// Whether a fault is in progress.
    pub is_faulted: AtomicBool,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    log: PathBuf,
    /// Its process now.
    child: Mutex<Option<Child>>,
    is_over: AtomicBool,
}

/// All of them.
pub struct Machines {
    pub database: Cluster,
    /// Where finished pictures are, unless they are in a folder.
    pub objects: Option<Arc<Objects>>,
    pub all: Vec<Arc<Machine>>,
    pub balancer: Balancer,
    /// The servers' own addresses.
    pub urls: Vec<String>,
    keepers: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

/// The object store.
pub struct Objects {
    pub s3: TestS3,
    /// Whether a fault is in progress.
    pub is_faulted: AtomicBool,
}

/// How they are set up.
#[derive(Clone, Copy)]
pub struct Setup {
    pub workers: usize,
    /// Seconds.
    pub lease: u32,
    /// By which a step takes longer.
    pub slow_ms: u32,
    /// Whether finished pictures are objects; else they are files in a folder.
    pub has_objects: bool,
}

impl Machines {
    /// None if PostgreSQL is not installed.
    pub fn start(setup: Setup) -> Option<Self> {
        let database = test_postgres::cluster_with("")?;
        let url = database.create("machines");
        let folder = tempfile::tempdir().expect("a folder");
        let ports = [free_port(), free_port()];
        let objects =
            setup.has_objects.then(|| Arc::new(Objects { s3: TestS3::start(), is_faulted: AtomicBool::default() }));
        let variables = objects.as_ref().map(|objects| objects.s3.variables()).unwrap_or_default();
        let pictures = objects.as_ref().map_or_else(|| shared_folder(&folder), |objects| objects.s3.url());
        let lease = setup.lease.to_string();
        let machine = |name: String, port: Option<u16>| {
            let (proxy, url) = Proxy::of(&url);
            let data = folder.path().join(&name);
            let (listen, data) = (format!("127.0.0.1:{}", port.unwrap_or_default()), data.display().to_string());
            let slow = format!("slow@{}", setup.slow_ms);
            let own: &[&str] = match port {
                Some(_) => &["serve", "--concurrency", "0", "--listen", &listen, "--data-dir", &data],
                None => &["worker", "--drain", "0", "--name", &name, "--inject-fault", &slow],
            };
            let cache = format!("{data}-cache");
            let objects = if setup.has_objects { &["--cache-dir", &cache][..] } else { &[] };
            let shared = ["--device", "cpu", "--lease", &lease, "--database-url", &url, "--media-url", &pictures];
            let arguments = own.iter().chain(&shared).chain(objects).map(|text| (*text).to_owned()).collect();
            let log = folder.path().join(format!("{name}.log"));
            let (is_worker, child) = (port.is_none(), Mutex::default());
            let [is_faulted, is_over] = Default::default();
            let variables = variables.clone();
            Arc::new(Machine { name, is_worker, proxy, is_faulted, arguments, variables, log, child, is_over })
        };
        let servers = ports.iter().enumerate().map(|(n, port)| machine(format!("s{}", n + 1), Some(*port)));
        let workers = (0..setup.workers).map(|n| machine(format!("w{}", n + 1), None));
        let all: Vec<_> = servers.chain(workers).collect();
        let urls: Vec<_> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let mut keepers = Vec::new();
        for machine in &all {
            keepers.push(thread::spawn({
                let machine = Arc::clone(machine);
                move || machine.keep_running()
            }));
            // The first server makes the tables.
            if !machine.is_worker {
                wait("a server", || is_ready(&urls[keepers.len() - 1]));
            }
        }
        let machines =
            Self { database, objects, all, balancer: Balancer::start(&ports), urls, keepers, _folder: folder };
        wait("the balancer", || is_ready(&machines.balancer.url));
        wait("the workers", || {
            let listed = request(&format!("{}/api/v1/workers", machines.balancer.url), "GET", &[], None);
            let has_model = |worker: &&Value| worker["kind"] == "worker" && worker["models"] != serde_json::json!([]);
            listed.is_ok_and(|answer| {
                answer.json().as_array().is_some_and(|all| all.iter().filter(has_model).count() == setup.workers)
            })
        });
        Some(machines)
    }

    pub fn workers(&self) -> impl Iterator<Item = &Arc<Machine>> {
        self.all.iter().filter(|machine| machine.is_worker)
    }

    /// The values of a query, or none while the database is away.
    pub fn query(&self, sql: &str) -> Option<String> {
        self.database.try_execute("machines", sql).ok()
    }

    /// Stops all. Returns their logs by name.
    pub fn stop(mut self) -> Vec<(String, String)> {
        self.all.iter().for_each(|machine| machine.end("-TERM"));
        for keeper in std::mem::take(&mut self.keepers) {
            keeper.join().expect("no panic");
        }
        self.all.iter().map(|machine| (machine.name.clone(), machine.log())).collect()
    }
}

fn shared_folder(of: &TempDir) -> String {
    let folder = of.path().join("shared");
    std::fs::create_dir(&folder).expect("a folder");
    folder.display().to_string()
}

fn is_ready(url: &str) -> bool {
    request(&format!("{url}/health/ready"), "GET", &[], None).is_ok_and(|answer| answer.status == 200)
}

/// Waits until it is there.
pub fn wait(what: &str, is_there: impl Fn() -> bool) {
    let deadline = Instant::now() + START;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what} within {START:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

impl Machine {
    /// Starts the process, again and again.
    fn keep_running(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let log = File::options().create(true).append(true).open(&self.log).expect("a log");
            let mut command = emberline();
            command
                .args(&self.arguments)
                .envs(self.variables.clone())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log);
            *self.lock() = Some(command.spawn().expect("the binary starts"));
            while self.ended().is_none() {
                thread::sleep(Duration::from_millis(10));
            }
            thread::sleep(AWAY);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().expect("unpoisoned")
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.lock().as_mut().and_then(|child| child.try_wait().expect("waits"))
    }

    /// Sends a signal, `-KILL` for example.
    pub fn signal(&self, name: &str) {
        // The lock: the process cannot be reaped, and its number not be another process's.
        let mut child = self.lock();
        if let Some(child) = child.as_mut()
            && matches!(child.try_wait(), Ok(None))
        {
            Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
        }
    }

    /// Ends the process for good.
    fn end(&self, signal: &str) {
        self.is_over.store(true, Ordering::Relaxed);
        self.signal("-CONT");
        self.signal(signal);
    }

    pub fn log(&self) -> String {
        read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.signal("-KILL");
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        // A test has failed: nothing may stay behind.
        self.all.iter().for_each(|machine| machine.end("-KILL"));
    }
}
