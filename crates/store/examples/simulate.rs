//! What the order of the queue does to waiting times and model loads, by a simulation of a day's work. The order is the store's own
//! function `turns`. Users queue bursts of 1 to 16 pictures of one model; one request in ten is of one of two heavy users, 100
//! pictures at once. A picture takes 5 s, loading another model 8 s.
//!
//! `cargo run --release --example simulate`
//!
//! The third order is not built: a worker looks four deep into each project for the model that it has loaded, unless the first in
//! turn has waited for 10 s and no worker has its model, or for 30 s.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};
use store::{Waits, turns};

const PICTURE_S: f64 = 5.0;
const LOAD_S: f64 = 8.0;
const PROJECTS: usize = 20;
const HEAVY: usize = 2;
/// How often each model is asked for.
const MODELS: [u32; 4] = [8, 4, 2, 1];
/// Tasks of a project that are looked at.
const LOOK: usize = 4;
const STARVES_S: f64 = 10.0;
const SEED: u64 = 1;

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Queue,
    Turns,
    TurnsWarm,
}

#[derive(Clone, Copy)]
struct Task {
    place: u64,
    model: usize,
    at: f64,
    is_small: bool,
}

/// Times, in the order of what happens. Integers, because they are compared: microseconds.
type Event = Reverse<(u64, u64, What)>;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Asked { project: usize, model: usize, pictures: u64 },
    Done { worker: usize, project: usize },
}

struct Studio {
    order: Order,
    random: StdRng,
    queue: Vec<VecDeque<Task>>,
    running: Vec<usize>,
    loaded: Vec<Option<usize>>,
    idle: Vec<usize>,
    events: BinaryHeap<Event>,
    number: u64,
    loads: usize,
    waits: Vec<f64>,
    small: Vec<f64>,
}

fn main() {
    println!("{:<34} {:>18} {:>26} {:>14}", "", "loads/100 pictures", "small bursts wait p50, p95", "all p95");
    for (workers, load, hours) in [(10, 0.6, 3.0), (10, 0.8, 3.0), (100, 0.8, 1.0)] {
        for (order, name) in
            [(Order::Queue, "queue"), (Order::Turns, "turns"), (Order::TurnsWarm, "turns, warm (not built)")]
        {
            let mut studio = Studio::new(order, workers);
            studio.run(workers, load, hours * 3600.0);
            let name = format!("{workers} workers, {:.0} %, {name}", 100.0 * load);
            let loads = 100.0 * studio.loads as f64 / studio.waits.len() as f64;
            let [p50, p95] = [0.5, 0.95].map(|share| percentile(&mut studio.small, share));
            let all = percentile(&mut studio.waits, 0.95);
            println!("{name:<40} {loads:>12.1} {p50:>16.0} s, {p95:.0} s {all:>12.0} s");
        }
    }
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() as f64 * share) as usize).min(times.len() - 1)]
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

impl Studio {
    fn new(order: Order, workers: usize) -> Self {
        Self {
            order,
            random: StdRng::seed_from_u64(SEED),
            queue: vec![VecDeque::new(); PROJECTS],
            running: vec![0; PROJECTS],
            loaded: vec![None; workers],
            idle: (0..workers).collect(),
            events: BinaryHeap::new(),
            number: 0,
            loads: 0,
            waits: Vec::new(),
            small: Vec::new(),
        }
    }

    fn at(&mut self, time: f64, what: What) {
        self.number += 1;
        self.events.push(Reverse((micros(time), self.number, what)));
    }

    /// Requests for `lasts` seconds that keep the workers busy for this share of the time, and what follows from them.
    fn run(&mut self, workers: usize, load: f64, lasts: f64) {
        let burst = 0.9 * 8.5 + 0.1 * 100.0;
        let rate = load * workers as f64 / PICTURE_S / burst;
        let mut now = 0.0;
        while now < lasts {
            now -= (1.0 - self.random.random::<f64>()).ln() / rate;
            let is_heavy = self.random.random_bool(0.1);
            let project = self.random.random_range(if is_heavy { 0..HEAVY } else { HEAVY..PROJECTS });
            let pictures = if is_heavy { 100 } else { self.random.random_range(1..=16) };
            let model = self.model();
            self.at(now, What::Asked { project, model, pictures });
        }
        let mut place = 0;
        while let Some(Reverse((now, _, what))) = self.events.pop() {
            let now = now as f64 / 1e6;
            match what {
                What::Asked { project, model, pictures } => {
                    for _ in 0..pictures {
                        place += 1;
                        let is_small = pictures <= 16;
                        self.queue[project].push_back(Task { place, model, at: now, is_small });
                    }
                }
                What::Done { worker, project } => {
                    self.idle.push(worker);
                    self.running[project] -= 1;
                }
            }
            while let Some(worker) = self.idle.pop() {
                if !self.begin(worker, now) {
                    self.idle.push(worker);
                    break;
                }
            }
        }
    }

    fn model(&mut self) -> usize {
        let mut left = self.random.random_range(0..MODELS.iter().sum());
        let asked = MODELS.iter().position(|often| {
            let is_it = left < *often;
            left = left.saturating_sub(*often);
            is_it
        });
        asked.unwrap_or_default()
    }

    /// Lets a worker begin its next task. Returns whether there is one.
    fn begin(&mut self, worker: usize, now: f64) -> bool {
        let Some((project, index)) = self.next(worker, now) else { return false };
        let Some(task) = self.queue[project].remove(index) else { return false };
        self.running[project] += 1;
        self.waits.push(now - task.at);
        if task.is_small {
            self.small.push(now - task.at);
        }
        let is_loaded = self.loaded[worker].replace(task.model) == Some(task.model);
        self.loads += usize::from(!is_loaded);
        let took = PICTURE_S + if is_loaded { 0.0 } else { LOAD_S };
        self.at(now + took, What::Done { worker, project });
        true
    }

    /// The project, and the index in its queue.
    fn next(&self, worker: usize, now: f64) -> Option<(usize, usize)> {
        let heads = self.queue.iter().enumerate();
        let mut heads: Vec<(usize, Task)> =
            heads.flat_map(|(project, tasks)| tasks.iter().take(LOOK).map(move |task| (project, *task))).collect();
        heads.sort_by_key(|(_, task)| task.place);
        let index_of = |(project, task): (usize, Task)| {
            Some((project, self.queue[project].iter().position(|other| other.place == task.place)?))
        };
        if self.order == Order::Queue {
            return heads.first().copied().and_then(index_of);
        }
        let id = |project: usize| i64::try_from(project).unwrap_or_default();
        let waiting: Vec<Waits> =
            heads.iter().map(|(project, _)| Waits { project: id(*project), overnight: false }).collect();
        let running = self.running.iter().enumerate().flat_map(|(project, count)| vec![id(project); *count]);
        let order = turns(running, &waiting);
        let first = heads[*order.first()?];
        let is_loaded = |task: &Task| self.loaded[worker] == Some(task.model);
        if self.order == Order::Turns || self.must_begin(first.1, now) {
            return index_of(first);
        }
        let warm = order.into_iter().map(|n| heads[n]).find(|(_, task)| is_loaded(task));
        index_of(warm.unwrap_or(first))
    }

    /// Whether a task has waited so long that it begins wherever it is first.
    fn must_begin(&self, task: Task, now: f64) -> bool {
        let waited = now - task.at;
        waited > 3.0 * STARVES_S || (waited > STARVES_S && !self.loaded.contains(&Some(task.model)))
    }
}
