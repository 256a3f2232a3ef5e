//! The object store is away for a minute while pictures are made.

use super::{
    machines::{Machines, Setup, wait},
    pictures::{Load, oracle},
};
use crate::support::request_bytes;
use std::{
    thread,
    time::{Duration, Instant},
};
use test_s3::Fault;

const AWAY: Duration = Duration::from_secs(60);
const PICTURES: usize = 30;
/// How long all pictures may take afterwards.
const AFTERWARDS: Duration = Duration::from_secs(180);

/// No picture fails, no attempt is lost, and each log says it once.
pub fn run() {
    let setup = Setup { workers: 2, lease: 8, slow_ms: 200, has_objects: true };
    let Some(machines) = Machines::start(setup) else { return };
    let objects = machines.objects.as_ref().expect("an object store");
    let (expected, load) = (oracle(), Load::new(&machines.balancer.url, 1));
    let count = |sql: &str| machines.query(&format!("SELECT count(*) FROM tasks WHERE {sql}")).expect("a count");
    load.run(PICTURES, || 0, || false);
    wait("first picture", || count("status = 'completed'") != "0");
    objects.s3.set_fault(Fault::Away);
    thread::sleep(AWAY);
    let waiting = count("status = 'running'");
    objects.s3.set_fault(Fault::None);
    let ends = Instant::now();
    while count("status = 'completed'") != PICTURES.to_string() {
        assert!(ends.elapsed() < AFTERWARDS, "{} of {PICTURES} are completed", count("status = 'completed'"));
        assert_eq!(count("status = 'failed'"), "0");
        thread::sleep(Duration::from_millis(100));
    }
    let took = ends.elapsed();
    assert_eq!(count("attempt > 1"), "0", "attempts were lost");
    for promised in load.promised() {
        let (answer, _) = request_bytes(&format!("{}{}", machines.balancer.url, promised.path)).expect("an answer");
        assert_eq!((answer.status, answer.header("etag").trim_matches('"')), (200, &*expected[&promised.recipe]));
    }
    println!(
        "object store away for {AWAY:?}: {waiting} of {PICTURES} pictures waited, all completed {took:.1?} later, 0 failed, 0 attempts lost"
    );
    for (name, log) in machines.stop() {
        let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        let said = (lines("the object store is away"), lines("the object store answers again"));
        // A server that needed nothing of it has nothing to say.
        let right = if name.starts_with('w') { said == (1, 1) } else { said.0 == said.1 && said.0 <= 1 };
        assert!(right, "{name}: {said:?} in\n{log}");
    }
}
