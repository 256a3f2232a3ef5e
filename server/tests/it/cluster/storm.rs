//! Pictures are made, watched and read while processes, the database and the network fail at random moments. What must hold is
//! checked all the time, and at the end.

use super::{
    faults::{Faults, wait_for_the_end},
    machines::{Machines, Setup, wait},
    pages::Pages,
    pictures::{Load, Promised, oracle},
    readers::Readers,
    sockets::{Heard, Sockets},
    watcher::Watcher,
};
use crate::support::request;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const SOCKETS: usize = 3;
const READERS: usize = 3;
/// How long the last pictures may take when the faults are over.
const CALM: Duration = Duration::from_secs(240);

/// How large a storm is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub pictures: usize,
    pub faults: usize,
    /// Reads of pictures, at least.
    pub reads: usize,
    pub lease_s: u32,
    pub slow_ms: u32,
    pub seed: u64,
    /// Whether finished pictures are objects; else they are files in a folder.
    pub has_objects: bool,
}

/// A row of the end.
struct Ended {
    status: String,
    attempt: u64,
    etag: String,
    error: String,
}

pub fn run(size: Size) {
    println!("{size:?}");
    let setup = Setup { workers: 3, lease: size.lease_s, slow_ms: size.slow_ms, has_objects: size.has_objects };
    let Some(machines) = Machines::start(setup).map(Arc::new) else { return };
    let expected = oracle();
    let load = Arc::new(Load::new(&machines.balancer.url, size.seed));
    let sockets = Sockets::start(&machines.balancer.url, SOCKETS);
    let readers = Readers::start(machines.urls.clone(), &load, READERS);
    let watcher = Watcher::start(&machines);
    let pages = Pages::start(machines.urls.clone());
    let (began, is_over) = (Instant::now(), Arc::<AtomicBool>::default());
    let asking = {
        let (machines, load, is_over) = (Arc::clone(&machines), Arc::clone(&load), Arc::clone(&is_over));
        thread::spawn(move || {
            load.run(size.pictures, || open_tasks(&machines), || is_over.load(Ordering::Relaxed));
        })
    };
    let lease = Duration::from_secs(size.lease_s.into());
    let mut faults = Faults::new(StdRng::seed_from_u64(size.seed), lease);
    let mut injected = 0;
    while !asking.is_finished() {
        // Spread over the pictures.
        if injected < size.faults && load.promised().len() * size.faults >= injected * size.pictures {
            faults.inject(&machines, &|| readers.database_crashed());
            injected += 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
    asking.join().expect("no request was refused");
    wait_for_the_end(&machines);
    let promised = load.promised();
    let retried = finish(&machines, &load);
    wait("end on the sockets", || sockets.have_completed(promised.len()));
    while readers.reads() < size.reads {
        thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    let (heard, read, mut violations) = (sockets.finish(), readers.finish(), watcher.finish());
    violations.extend(read.violations);
    let (compared, wrong) = pages.finish();
    // A server that has just started, was paused or is cut off does not have the newest steps.
    violations.extend(wrong.into_iter().filter(|_| size.faults == 0));
    let ended = ended(&machines);
    violations.extend(promised.iter().filter_map(|promised| wrong_end(promised, &ended, &expected)));
    violations.extend(heard.iter().flat_map(|heard| wrong_told(heard, &promised, &expected)));
    violations.extend(wrong_rows(&machines, promised.len()));
    if size.faults == 0 && read.unanswered > 0 {
        violations.push(format!("{} reads without an answer", read.unanswered));
    }
    if size.faults == 0 && compared == 0 {
        violations.push("no page showed a step".to_owned());
    }
    let attempts = ended.values().map(|ended| ended.attempt).max().unwrap_or_default();
    let again = ended.values().filter(|ended| ended.attempt > 1).count();
    let told: Vec<_> = heard.iter().map(|heard| (heard.events, heard.connections, heard.resyncs)).collect();
    println!("{injected} faults: {:#?}", faults.counts);
    println!(
        "{} pictures in {took:.0?}; {again} were begun again, at most {attempts} attempts; {retried} retried after three losses; \
         {} requests repeated",
        promised.len(),
        load.repeated.load(Ordering::Relaxed)
    );
    println!("{} reads, {} of forming pictures, {} without an answer", read.reads, read.forming, read.unanswered);
    println!("{compared} steps on pages");
    println!("sockets (events, connections, resyncs): {told:?}");
    let machines = Arc::into_inner(machines).expect("the last");
    for (name, log) in machines.stop() {
        violations.extend(log.lines().filter(|line| line.contains("panicked")).map(|line| format!("{name}: {line}")));
    }
    println!("{} violations", violations.len());
    let mut kinds = BTreeSet::new();
    violations.retain(|violation| kinds.insert(violation.clone()));
    assert!(
        violations.is_empty(),
        "{} different ones: {:#?}",
        violations.len(),
        &violations[..violations.len().min(40)]
    );
}

/// Tasks that wait or run; many while the database does not answer.
fn open_tasks(machines: &Machines) -> usize {
    let count = machines.query("SELECT count(*) FROM tasks WHERE status IN ('queued', 'running')");
    count.and_then(|count| count.parse().ok()).unwrap_or(usize::MAX)
}

/// Waits for the last pictures, and retries those that lost their workers three times, as a user does. Returns how many.
fn finish(machines: &Machines, load: &Load) -> usize {
    let (calm, mut retried) = (Instant::now(), 0);
    loop {
        let failed = machines.query("SELECT string_agg(id::text, ',') FROM tasks WHERE status = 'failed'");
        let failed = failed.unwrap_or_default();
        for id in failed.split(',').filter(|id| !id.is_empty()) {
            let url = format!("{}/api/v1/tasks/{id}", machines.balancer.url);
            let task = request(&url, "GET", &[], None).map(|answer| answer.json()["error"].to_string());
            assert!(task.is_ok_and(|why| why.contains("its server was lost 3 times")), "task {id} failed");
            let again = request(&format!("{url}/retry"), "POST", &[], None).expect("an answer");
            retried += usize::from(again.status < 300);
        }
        if failed.is_empty() && open_tasks(machines) == 0 {
            return retried;
        }
        assert!(calm.elapsed() < CALM, "{} of {} tasks are open", open_tasks(machines), load.promised().len());
        thread::sleep(Duration::from_millis(300));
    }
}

fn ended(machines: &Machines) -> BTreeMap<i64, Ended> {
    let sql = "SELECT t.id, t.status, t.attempt, coalesce(k.etag, ''), coalesce(t.error, '') \
               FROM tasks t LEFT JOIN takes k ON k.task_id = t.id";
    let rows = machines.query(sql).expect("the rows");
    let read = |line: &str| {
        let mut fields = line.splitn(5, '|').map(str::to_owned);
        let id = fields.next()?.parse().ok()?;
        let (status, attempt) = (fields.next()?, fields.next()?.parse().ok()?);
        Some((id, Ended { status, attempt, etag: fields.next()?, error: fields.next()? }))
    };
    rows.lines().filter_map(read).collect()
}

fn wrong_end(
    promised: &Promised,
    ended: &BTreeMap<i64, Ended>,
    expected: &BTreeMap<(usize, u64), String>,
) -> Option<String> {
    let (id, right) = (promised.task, &expected[&promised.recipe]);
    match ended.get(&id) {
        None => Some(format!("task {id} is gone")),
        Some(Ended { status, error, .. }) if status != "completed" => Some(format!("task {id} is {status}: {error}")),
        Some(Ended { etag, .. }) if etag != right => Some(format!("picture {id} has {etag}, and not {right}")),
        Some(_) => None,
    }
}

fn wrong_told(heard: &Heard, promised: &[Promised], expected: &BTreeMap<(usize, u64), String>) -> Vec<String> {
    let (mut wrong, completed) = (heard.violations.clone(), heard.completed());
    if heard.resyncs > 0 {
        wrong.push(format!("{} resyncs", heard.resyncs));
    }
    for Promised { task, recipe, .. } in promised {
        if completed.get(task) != expected.get(recipe) {
            wrong.push(format!("a socket heard {:?} of task {task}", completed.get(task)));
        }
    }
    wrong
}

/// No task twice, and nothing of what runs is left.
fn wrong_rows(machines: &Machines, promised: usize) -> Option<String> {
    let sql = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM runs), (SELECT count(*) FROM run_requests)";
    let (found, right) = (machines.query(sql).expect("a row"), format!("{promised}|0|0"));
    (found != right).then(|| format!("tasks, runs and requests: {found}, and not {right}"))
}
