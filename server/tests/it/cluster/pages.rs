//! Pages of either server show the steps of pictures that workers make.

use crate::support::request;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(50);

/// Reads pages until it is finished.
pub struct Pages {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Pages {
    pub fn start(urls: Vec<String>) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut compared, mut violations) = (0, Vec::new());
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let (here, there) = (&urls[n % urls.len()], &urls[(n + 1) % urls.len()]);
                compared += compare(here, there, &mut violations).unwrap_or_default();
                thread::sleep(PAUSE);
            }
            (compared, violations)
        });
        Self { is_over, thread }
    }

    /// Returns how many steps were compared, and what is wrong.
    pub fn finish(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

/// Compares the steps on one server's page with those that the other one has before and after. Returns how many.
fn compare(here: &str, there: &str, violations: &mut Vec<String>) -> Option<usize> {
    let before = running(there)?;
    let first = before.first()?;
    let page = request(&format!("{here}/projects/{}", first["project_id"]), "GET", &[], None).ok()?.text;
    let after = running(there)?;
    let mut compared = 0;
    for task in before {
        let same = |other: &&Value| other["task_id"] == task["task_id"] && other["attempt"] == task["attempt"];
        let Some(now) = after.iter().find(same) else { continue };
        let (least, most) = (task["step"].as_u64()?.saturating_sub(1), now["step"].as_u64()? + 1);
        let Some(shown) = step_on(&page, &task["task_id"]) else { continue };
        compared += 1;
        if !(least..=most).contains(&shown) {
            violations.push(format!("the page of {here} shows step {shown}, and not {least} to {most}: {task}"));
        }
    }
    Some(compared)
}

fn running(url: &str) -> Option<Vec<Value>> {
    let queue = request(&format!("{url}/api/v1/queue"), "GET", &[], None).ok()?.json();
    let tasks = queue["tasks"].as_array()?.iter().filter(|task| task["status"] == "running");
    Some(tasks.cloned().collect())
}

/// The step in a task's row of the queue.
fn step_on(page: &str, task: &Value) -> Option<u64> {
    let (_, row) = page.split_once(&format!("data-task=\"{task}\""))?;
    let row = row.split("</li>").next()?;
    let (_, step) = row.split_once("Step ")?;
    step.split(' ').next()?.parse().ok()
}
