//! The pictures that are made, what they must be, and the requests for them.

use crate::support::{Answer, TestServer, request};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Kinds of pictures: sampler and steps.
const KINDS: [(&str, u32); 4] = [("euler", 6), ("euler_ancestral", 5), ("dpmpp_2m", 4), ("uni_pc", 7)];
const SEEDS: u64 = 4;
const PROJECTS: usize = 3;
/// Tasks that wait or run at the same time.
const OPEN: usize = 12;
/// How long a request may be repeated.
const REPEAT: Duration = Duration::from_secs(120);

/// A kind and a seed.
pub type Recipe = (usize, u64);

fn body((kind, seed): Recipe) -> Value {
    let (sampler, steps) = KINDS[kind];
    json!({"prompt": "a red car", "sampler": sampler, "steps": steps, "seed": seed, "width": 64, "height": 64})
}

/// The ETag of each picture as one server alone makes it, on SQLite.
pub fn oracle() -> BTreeMap<Recipe, String> {
    let server = TestServer::start_with(&["--device", "cpu"]);
    let project = server.create("Alone")["id"].clone();
    let recipes = (0..KINDS.len()).flat_map(|kind| (0..SEEDS).map(move |seed| (kind, seed)));
    let asked: Vec<_> = recipes
        .map(|recipe| {
            let answer = server.send("POST", &format!("/api/v1/projects/{project}/generations"), &body(recipe));
            assert_eq!(answer.status, 202, "{}", answer.text);
            (recipe, answer.json()["tasks"][0].clone())
        })
        .collect();
    asked
        .into_iter()
        .map(|(recipe, task)| {
            server.wait_for_task(&task["task_id"], "completed");
            let etag = server.get(task["preview_path"].as_str().expect("a path")).header("etag").to_owned();
            (recipe, etag.trim_matches('"').to_owned())
        })
        .collect()
}

/// A picture that was accepted.
#[derive(Clone, Debug)]
pub struct Promised {
    pub task: i64,
    pub path: String,
    pub recipe: Recipe,
}

/// Asks for pictures.
pub struct Load {
    url: String,
    projects: Vec<Value>,
    random: Mutex<StdRng>,
    promised: Mutex<Vec<Promised>>,
    /// Requests that were repeated.
    pub repeated: AtomicUsize,
}

impl Load {
    pub fn new(url: &str, seed: u64) -> Self {
        let load = Self {
            url: url.to_owned(),
            projects: Vec::new(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            promised: Mutex::default(),
            repeated: AtomicUsize::new(0),
        };
        let new = |n| json!({"name": format!("Project {n}"), "width": 64, "height": 64, "fps": 12});
        let projects = (0..PROJECTS).map(|n| load.send("POST", "/api/v1/projects", &new(n), 201)["id"].clone());
        Self { projects: projects.collect(), ..load }
    }

    /// Sends a request until it is answered with this status. Each has an idempotency key: a repetition changes nothing.
    fn send(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let key = format!("{:032x}", rand::random::<u128>());
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let (url, text, began) = (format!("{}{path}", self.url), body.to_string(), Instant::now());
        loop {
            match request(&url, method, &headers, Some(text.as_bytes())) {
                Ok(answer) if answer.status == status || (answer.status == 200 && status == 202) => {
                    return answer.json();
                }
                Ok(Answer { status: 502..=504, .. }) | Err(_) => {}
                Ok(answer) => panic!("{method} {path}: {} {}", answer.status, answer.text),
            }
            assert!(began.elapsed() < REPEAT, "{method} {path} is not answered");
            self.repeated.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asks for this many pictures, a few at a time, until `is_over`. Returns when all are accepted.
    pub fn run(&self, pictures: usize, open: impl Fn() -> usize, is_over: impl Fn() -> bool) {
        for _ in 0..pictures {
            while open() >= OPEN {
                thread::sleep(Duration::from_millis(50));
                if is_over() {
                    return;
                }
            }
            let (recipe, project) = {
                let mut random = self.random.lock().expect("unpoisoned");
                let recipe = (random.random_range(0..KINDS.len()), random.random_range(0..SEEDS));
                (recipe, random.random_range(0..PROJECTS))
            };
            let path = format!("/api/v1/projects/{}/generations", self.projects[project]);
            let made = self.send("POST", &path, &body(recipe), 202)["tasks"][0].clone();
            let task = made["task_id"].as_i64().expect("an id");
            let path = made["preview_path"].as_str().expect("a path").to_owned();
            self.promised.lock().expect("unpoisoned").push(Promised { task, path, recipe });
        }
    }

    pub fn promised(&self) -> Vec<Promised> {
        self.promised.lock().expect("unpoisoned").clone()
    }

    /// The newest.
    pub fn newest(&self, count: usize) -> Vec<Promised> {
        let promised = self.promised.lock().expect("unpoisoned");
        promised[promised.len().saturating_sub(count)..].to_vec()
    }
}
