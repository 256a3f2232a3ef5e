//! How long it takes until others go on, with the lease that users have. Prints the table of figures, and fails if one is over its
//! limit.

use super::machines::{Machine, Machines, Setup, wait};
use crate::support::request;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const SLOW_MS: u32 = 200;
/// Longer than a round.
const STEPS: u32 = 400;
const LOOK: Duration = Duration::from_millis(5);
/// Two leases: until then no process judges the leases of others.
const STEADY: Duration = Duration::from_secs(17);
const AWAY: Duration = Duration::from_secs(60);

/// How often each is measured.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub kills: usize,
    pub stops: usize,
    pub cancels: usize,
    pub is_away: bool,
}

struct Studio {
    machines: Machines,
    project: Value,
}

impl Studio {
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (headers, body) = ([("content-type", "application/json")], body.map(Value::to_string));
        let url = format!("{}{path}", self.machines.urls[0]);
        let answer = request(&url, method, &headers, body.as_deref().map(str::as_bytes)).expect("an answer");
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text);
        answer.json()
    }

    /// Asks for a long picture. Returns its task.
    fn ask(&self, steps: u32) -> Value {
        let body = json!({"prompt": "a red car", "steps": steps, "seed": 7, "width": 64, "height": 64});
        let made = self.send("POST", &format!("/api/v1/projects/{}/generations", self.project), Some(&body));
        made["tasks"][0]["task_id"].clone()
    }

    fn task(&self, id: &Value) -> Value {
        self.send("GET", &format!("/api/v1/tasks/{id}"), None)
    }

    fn cancel(&self, id: &Value) {
        self.send("POST", &format!("/api/v1/tasks/{id}/cancel"), None);
    }

    /// Waits until this attempt runs, and has done a step.
    fn wait_until_runs(&self, id: &Value, attempt: u64) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let task = self.task(id);
            if task["status"] == "running" && task["attempt"] == attempt {
                return task;
            }
            assert!(Instant::now() < deadline, "attempt {attempt} does not run: {task}");
            thread::sleep(LOOK);
        }
    }

    /// The worker that makes it.
    fn worker_of(&self, id: &Value) -> Arc<Machine> {
        let name = || self.task(id)["worker"].as_str().map(str::to_owned);
        wait("worker of the task", || name().is_some());
        let name = name().expect("named");
        Arc::clone(self.machines.workers().find(|worker| worker.name == name).expect("one of them"))
    }

    /// Times from a signal to the worker of a picture until another attempt runs.
    fn taken_up(&self, signal: &str, rounds: usize) -> Vec<Duration> {
        (0..rounds)
            .map(|_| {
                let id = self.ask(STEPS);
                self.wait_until_runs(&id, 1);
                let worker = self.worker_of(&id);
                let began = Instant::now();
                worker.signal(signal);
                self.wait_until_runs(&id, 2);
                let took = began.elapsed();
                self.cancel(&id);
                took
            })
            .collect()
    }

    /// Times from the answer to a cancellation until the worker begins another picture. All workers but one are stopped.
    fn cancelled(&self, rounds: usize) -> Vec<Duration> {
        let mut running = self.ask(STEPS);
        self.wait_until_runs(&running, 1);
        let times = (0..rounds)
            .map(|_| {
                let next = self.ask(STEPS);
                thread::sleep(Duration::from_millis(330));
                self.cancel(&running);
                let began = Instant::now();
                self.wait_until_runs(&next, 1);
                running = next;
                began.elapsed()
            })
            .collect();
        self.cancel(&running);
        times
    }

    /// The database is away for a minute while pictures are made.
    fn away(&self) {
        let tasks: Vec<_> = self.machines.workers().map(|_| self.ask(STEPS)).collect();
        let short = self.ask(4);
        tasks.iter().for_each(|id| _ = self.wait_until_runs(id, 1));
        let before: Vec<_> = self.machines.all.iter().map(|machine| machine.log().len()).collect();
        self.machines.database.crash();
        thread::sleep(AWAY);
        self.machines.database.start_again();
        wait("server", || {
            request(&format!("{}/health/ready", self.machines.urls[0]), "GET", &[], None)
                .is_ok_and(|answer| answer.status == 200)
        });
        for id in tasks.iter().chain([&short]) {
            let deadline = Instant::now() + Duration::from_secs(240);
            while self.task(id)["status"] != "completed" {
                assert!(Instant::now() < deadline, "{}", self.task(id));
                thread::sleep(Duration::from_millis(100));
            }
            assert_eq!(self.task(id)["attempt"], 1, "no attempt was lost");
        }
        for (machine, before) in self.machines.all.iter().zip(before) {
            let log = machine.log();
            let mut lines = vec!["cannot be renewed", "are renewed again"];
            // A worker does not follow them.
            if !machine.is_worker {
                lines.extend(["that follows the events is lost", "events are followed again"]);
            }
            for said in lines {
                assert_eq!(log[before..].matches(said).count(), 1, "{}: {said:?} in\n{}", machine.name, &log[before..]);
            }
        }
        println!("database away for {AWAY:?}: 0 failed, 0 attempts lost, one line in each log");
    }
}

pub fn run(rounds: Rounds) {
    let Some(machines) = Machines::start(Setup { workers: 2, lease: 8, slow_ms: SLOW_MS, has_objects: false }) else {
        return;
    };
    let new = json!({"name": "Figures", "width": 64, "height": 64, "fps": 12});
    let headers = [("content-type", "application/json")];
    let made =
        request(&format!("{}/api/v1/projects", machines.urls[0]), "POST", &headers, Some(new.to_string().as_bytes()));
    let studio = Studio { project: made.expect("an answer").json()["id"].clone(), machines };
    thread::sleep(STEADY);
    let limits = [
        ("kill -9 to the next attempt", studio.taken_up("-KILL", rounds.kills), Duration::from_secs(12)),
        ("SIGTERM to the next attempt", studio.taken_up("-TERM", rounds.stops), Duration::from_secs(1)),
    ];
    if rounds.is_away {
        studio.away();
    }
    // One worker stays.
    studio.send("POST", &format!("/api/v1/workers/{}/drain", studio.first_worker()), None);
    let step = Duration::from_millis(SLOW_MS.into());
    let cancels = ("cancellation to the next picture", studio.cancelled(rounds.cancels), 2 * step);
    let mut is_kept = true;
    for (what, mut times, limit) in limits.into_iter().chain([cancels]) {
        times.sort();
        let Some(last) = times.len().checked_sub(1) else { continue };
        let (p50, p99) = (times[last / 2], times[(last * 99).div_ceil(100)]);
        println!("{what}: {p50:.2?}, p99 {p99:.2?} of {}; at most {limit:?}", times.len());
        is_kept &= p99 <= limit;
    }
    studio.machines.stop();
    assert!(is_kept, "a limit is exceeded");
}

impl Studio {
    fn first_worker(&self) -> String {
        let all = self.send("GET", "/api/v1/workers", None);
        let worker =
            all.as_array().expect("a list").iter().find(|worker| worker["kind"] == "worker").expect("a worker");
        worker["id"].as_str().expect("an id").to_owned()
    }
}
