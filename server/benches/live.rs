//! Time from the end of a sampling step to the bytes of its preview in a client:
//! - of one server on SQLite;
//! - of a server beside a worker on one PostgreSQL: the worker makes the pictures, and the client is at the server;
//! - the same with 15 ms each way between PostgreSQL and both.
//!
//! The client listens to a WebSocket, and requests the picture after each step that it hears of, as the page does. The beginning is
//! the time in the log of the process that makes the picture. Steps take an eighth of a second, most of it without using the
//! processor, as on a GPU. All processes run on this machine. Prints also what previews cost: how much longer a step takes than with
//! the preview method `none`.
//!
//! Fails if the 95th percentile of previews by latent2rgb is over 50 ms, with the delay over 150 ms, or if they cost more than 2 %.
//! Previews by TAESD take longer to decode than that, on the cores that the steps use.
//!
//! `cargo bench --bench live` (with `-- ROUNDS STEPS` to change 3 rounds of 30 steps; some minutes).

#[path = "support/delay.rs"]
mod delay;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/percentiles.rs"]
mod percentiles;

use delay::Delay;
use machine::{Machine, StepOf};
use percentiles::Percentiles;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    thread,
    time::{Duration, SystemTime},
};

/// Sides of the pictures in pixels, and how their previews are made.
const KINDS: [(u32, &str); 3] = [(256, "latent2rgb"), (512, "latent2rgb"), (256, "taesd")];
/// By which a step takes longer.
const SLOW: [&str; 2] = ["--inject-fault", "slow@110"];
const EACH_WAY: Duration = Duration::from_millis(15);

const SHOWN_P95_MS: f64 = 50.0;
const SHOWN_FAR_P95_MS: f64 = 150.0;
const COST: f64 = 0.02;

fn main() {
    // cargo adds the argument `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (rounds, steps) = (numbers.next().unwrap_or(3), numbers.next().unwrap_or(30));
    let alone = Machine::serve(&SLOW);
    let mut is_kept = measure("one server on SQLite", (&alone, &alone), rounds, steps, SHOWN_P95_MS);
    drop(alone);
    let Some(cluster) = test_postgres::cluster() else { return };
    let pictures = tempfile::tempdir().expect("a folder");
    let beside = |what: &str, url: &str, most_ms: f64| {
        let pictures = tempfile::tempdir_in(pictures.path()).expect("a folder").keep().display().to_string();
        let shared = ["--database-url", url, "--media-url", &pictures];
        let web = Machine::serve(&[&shared[..], &["--concurrency", "0"]].concat());
        let makes = Machine::work(&[&shared[..], &SLOW].concat());
        measure(what, (&makes, &web), rounds, steps, most_ms)
    };
    is_kept &= beside("a worker and a server", &cluster.create("near"), SHOWN_P95_MS);
    let (_delay, far) = Delay::of(&cluster.create("far"), EACH_WAY);
    is_kept &= beside("the same, 30 ms from the database", &far, SHOWN_FAR_P95_MS);
    assert!(is_kept, "a promise is broken");
}

/// Prints the figures. Returns whether the promises are kept.
fn measure(what: &str, (makes, shows): (&Machine, &Machine), rounds: u32, steps: u32, most_ms: f64) -> bool {
    let project = shows.project("bench");
    let mut is_kept = true;
    for (side, method) in KINDS {
        let (mut times, mut bytes, mut costs) = (Vec::new(), 0, Vec::new());
        let mut step_s = 0.0;
        for _ in 0..rounds {
            let (_, without_s) = form(makes, shows, &project, (side, "none", steps));
            let (seen, with_s) = form(makes, shows, &project, (side, method, steps));
            costs.push(with_s / without_s - 1.0);
            step_s = with_s;
            let done = &makes.log.lock().expect("unpoisoned").steps;
            for (step, (at, length)) in seen {
                times.push(1000.0 * at.duration_since(done[&step]).unwrap_or_default().as_secs_f64());
                bytes += length;
            }
        }
        costs.sort_by(f64::total_cmp);
        let (count, cost) = (times.len(), costs[costs.len() / 2]);
        let times = Percentiles::of(times);
        println!(
            "{what}, {method} at {side} x {side}: {times}; previews of {:.1} kB after {:.0} % of {} steps of {:.0} ms, which take {:+.2} % longer",
            bytes as f64 / count as f64 / 1000.0,
            100.0 * count as f64 / f64::from(rounds * steps),
            rounds * steps,
            1000.0 * step_s,
            100.0 * cost,
        );
        is_kept &= method == "taesd" || times.p95 <= most_ms && cost <= COST;
    }
    is_kept
}

/// When the bytes of each preview were there, and their length.
type Seen = HashMap<StepOf, (SystemTime, usize)>;

/// Generates a picture, and reads each preview that comes. Returns what was seen, and how long a step took, in seconds.
fn form(makes: &Machine, shows: &Machine, project: &Value, (side, method, steps): (u32, &str, u32)) -> (Seen, f64) {
    let mut socket = shows.socket();
    let asked = json!({
        "prompt": "a red car on a yellow background", "seed": 1, "steps": steps, "preview_method": method,
        "preview_interval_ms": 0, "width": side, "height": side,
    });
    let task = shows.post(&format!("/api/v1/projects/{project}/generations"), &asked)["tasks"][0].clone();
    let (id, path) = (task["task_id"].as_i64().expect("an id"), task["preview_path"].as_str().expect("a path"));
    let (agent, mut seen) = (ureq::agent(), Seen::new());
    loop {
        let event = socket.next(None).expect("an event");
        if event["data"]["task_id"] != id {
            continue;
        }
        match event["type"].as_str() {
            Some("generation_completed") => break,
            Some("generation_progress") => {}
            _ => continue,
        }
        let (attempt, step) = (&event["data"]["attempt"], &event["data"]["step"]);
        let mut answer = agent.get(format!("{}{path}?t={attempt}.{step}", shows.url)).call().expect("an answer");
        let bytes = answer.body_mut().read_to_vec().expect("a picture");
        let at = SystemTime::now();
        let formed = answer.headers().get("emberline-step").and_then(|text| text.to_str().ok()?.split_once('.'));
        let Some(step) = formed.and_then(|(_, step)| step.parse().ok()).filter(|step| *step > 0) else { continue };
        seen.entry((id, step)).or_insert((at, bytes.len()));
    }
    // The line of the last step may be on its way.
    thread::sleep(Duration::from_millis(100));
    let log = makes.log.lock().expect("unpoisoned");
    let (first, last) = (log.steps[&(id, 1)], log.steps[&(id, steps)]);
    (seen, last.duration_since(first).expect("in order").as_secs_f64() / f64::from(steps - 1))
}
