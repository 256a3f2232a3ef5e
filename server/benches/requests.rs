//! Latency of requests during a generation, and the effect on the time of a sampling step. Prints the median and the
//! 99th percentile for each kind of request: on an idle server, during a generation that uses every core, and during a
//! generation with a process of normal priority that keeps one core busy.
//!
//! `cargo bench --bench requests` (with `-- REQUESTS STEPS` to change 300 requests of each kind beside 1000 steps).

#[path = "support/server.rs"]
mod server;

use serde_json::json;
use server::{Server, median, numbers};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Pause between two requests. Clicks of a user and a page's polling do not arrive all at once.
const PAUSE: Duration = Duration::from_millis(15);

/// Duration of the step measurement without requests.
const ALONE: Duration = Duration::from_secs(5);

/// Name of a request, and the function that sends it.
type Kind<'a> = (&'a str, Box<dyn Fn() + 'a>);

fn main() {
    let (requests, steps) = numbers(300, 1000);
    let server = Server::start(&[]);
    server.seconds(&server.generate("latent2rgb", 2));
    let picture = picture(&server);
    let kinds: [Kind<'_>; 4] = [
        ("GET /api/v1/queue", Box::new(|| _ = server.get("/api/v1/queue"))),
        ("GET /projects/1, the page", Box::new(|| _ = bytes(&server, "/projects/1"))),
        ("GET /media/…, a picture", Box::new(|| _ = bytes(&server, &picture))),
        ("POST …/generations", Box::new(|| _ = server.generate("latent2rgb", steps))),
    ];
    println!("{requests} requests of each kind, milliseconds: median, 99th percentile, most");
    server.post("/api/v1/queue/pause", &json!({}));
    measure("at rest", &kinds, requests);
    cancel_all(&server);
    server.post("/api/v1/queue/resume", &json!({}));
    (0..5).for_each(|_| _ = server.generate("latent2rgb", steps));
    println!("a step without requests: {:.1} ms", step_ms(&server, || thread::sleep(ALONE)));
    let meanwhile = step_ms(&server, || measure("beside a generation", &kinds, requests));
    println!("a step meanwhile: {meanwhile:.1} ms");
    let busy = Busy::start();
    println!("a step without requests, beside a busy process: {:.1} ms", step_ms(&server, || thread::sleep(ALONE)));
    let meanwhile = step_ms(&server, || measure("and a busy process", &kinds, requests));
    println!("a step meanwhile: {meanwhile:.1} ms");
    drop(busy);
    let queue = server.get("/api/v1/queue");
    assert!(queue["tasks"].as_array().is_some_and(|tasks| tasks.len() > 1), "the generation has ended: more STEPS");
}

/// Time of a sampling step in milliseconds while `work` runs.
fn step_ms(server: &Server, work: impl FnOnce()) -> f64 {
    while running_step(server) == 0.0 {
        thread::sleep(PAUSE);
    }
    // Steps of finished pictures plus those of the running task.
    let steps = || server.metric("emberline_step_seconds_count") + running_step(server);
    let (first, started) = (steps(), Instant::now());
    work();
    1000.0 * started.elapsed().as_secs_f64() / (steps() - first).max(1.0)
}

fn running_step(server: &Server) -> f64 {
    server.get("/api/v1/queue")["tasks"][0]["step"].as_f64().unwrap_or_default()
}

/// A process that keeps one core busy until it is dropped, like a compiler on the same machine.
struct Busy(std::process::Child);

impl Busy {
    fn start() -> Self {
        let mut shell = std::process::Command::new("sh");
        Self(shell.args(["-c", "while :; do :; done"]).spawn().expect("a shell"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn measure(when: &str, kinds: &[Kind<'_>], requests: u32) {
    for (what, ask) in kinds {
        let mut times: Vec<f64> = (0..requests)
            .map(|_| {
                thread::sleep(PAUSE);
                let started = Instant::now();
                ask();
                1000.0 * started.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
        println!("{when:20} {what:28} {:7.2} {:7.2} {:7.2}", median(times.clone()), at(0.99), at(1.0));
    }
}

fn cancel_all(server: &Server) {
    for task in server.get("/api/v1/queue")["tasks"].as_array().into_iter().flatten().rev() {
        server.post(&format!("/api/v1/tasks/{}/cancel", task["task_id"]), &json!({}));
    }
}

fn bytes(server: &Server, path: &str) -> Vec<u8> {
    let mut answer = ureq::get(format!("{}{path}", server.url)).call().expect("an answer");
    answer.body_mut().read_to_vec().expect("a body")
}

/// Path of a finished picture.
fn picture(server: &Server) -> String {
    let frames = server.get("/api/v1/projects/1/frames");
    frames[0]["path"].as_str().expect("an address").to_owned()
}
