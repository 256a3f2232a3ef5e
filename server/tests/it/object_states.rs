//! Saved states as objects: paused and interrupted pictures go on at their step on any worker.

use crate::object_traces::{Worker, whole};
use crate::objects::Place;
use crate::pauses::{begun, done, file, paused, reference, settings, task};
use crate::several_servers::wait_for;
use crate::support::Events;
use crate::traces::{steps, trace};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use test_s3::Fault;

const WITHIN: Duration = Duration::from_secs(60);

/// The first step that the next attempt at a task reports.
fn next_step(events: &mut Events) -> u64 {
    let heard = events.until("generation_progress", WITHIN);
    heard.last().expect("a step")["data"]["step"].as_u64().expect("a number")
}

/// The first step that is heard follows the saved one. On another server some steps are heard together with a later one.
fn goes_on(saved: u64, heard: u64) {
    assert!((saved + 1..=saved + 5).contains(&heard), "after step {saved} the first is {heard}");
}

#[test]
fn a_paused_picture_goes_on_at_its_step_on_another_worker() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let project = web.create("Paused");
    for (number, level) in ["off", "looking", "all"].into_iter().enumerate() {
        settings(&web, &json!({"trace": level}));
        let first = Worker::start(&place, &["--inject-fault", "slow@15"]);
        let parameters = json!({"steps": 70, "width": 128, "height": 128, "sampler": "dpmpp_2m_sde"});
        let whole_picture = reference(&web, &project, &parameters);
        let puts = place.s3.count("PUT", "traces");
        let picture = begun(&web, &project, &parameters, 5);
        let step = paused(&web, &picture);
        // One state, and the steps so far.
        let traces = if level == "off" { 0 } else { 1 };
        assert_eq!(place.s3.count("PUT", "traces") - puts, 1 + traces, "{level}: nothing is put at each step");
        // The traces of finished pictures: two of each level before.
        let before = if level == "off" { 0 } else { 2 * (number - 1) + 1 };
        whole(&place, before + 1 + traces);
        if level != "off" {
            let seen: Vec<u64> = (1..=step).collect();
            assert_eq!(steps(&trace(&web, &picture["take_id"]), |_| true), seen, "{level}: on a server that made none");
        }
        let begun = Instant::now();
        while first.traces() > 0 {
            assert!(begun.elapsed() < WITHIN, "{level}: what is stored stays on the worker");
            std::thread::sleep(Duration::from_millis(20));
        }
        first.stop();

        // Slow, so that no step is heard together with a later one.
        let second = Worker::start(&place, &["--inject-fault", "slow@60"]);
        let mut events = Events::connect(&web, "");
        assert_eq!(done(&web, &picture, "resume")["step"], step);
        goes_on(step, next_step(&mut events));
        web.wait_for_task(&picture["task_id"], "completed");
        assert_eq!(file(&web, &picture), whole_picture, "{level}: paused at step {step}");
        whole(&place, before + traces);
        if level != "off" {
            let seen = trace(&web, &picture["take_id"]);
            assert_eq!(steps(&seen, |_| true), (1..=70).collect::<Vec<_>>(), "{level}");
        }
        second.stop();
    }
}

#[test]
fn a_picture_that_a_worker_gives_back_goes_on_at_its_step() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0"]);
    let project = web.create("Given back");
    let parameters = json!({"steps": 200, "width": 128, "height": 128});
    let first = Worker::start(&place, &["--drain", "1"]);
    let whole_picture = reference(&web, &project, &parameters);
    let slow = Worker::start(&place, &["--drain", "0", "--inject-fault", "slow@60"]);
    first.stop();
    let picture = begun(&web, &project, &parameters, 5);
    slow.stop();
    let given_back = task(&web, &picture);
    let step = given_back["step"].as_u64().expect("a step");
    assert_eq!(given_back["status"], "queued", "{given_back}");
    assert!(step >= 5, "its steps are shown while it waits: {given_back}");
    whole(&place, 3);
    let mut events = Events::connect(&web, "");
    let _second = Worker::start(&place, &["--inject-fault", "slow@20"]);
    goes_on(step, next_step(&mut events));
    web.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&web, &picture), whole_picture);
    assert_eq!(task(&web, &picture)["attempt"], 2);
    whole(&place, 2);
}

/// A state is put every four leases.
#[test]
fn a_picture_whose_worker_is_killed_goes_on_after_its_last_saved_state() {
    let Some(place) = Place::new() else { return };
    let web = place.server(&["--concurrency", "0", "--lease", "2"]);
    let project = web.create("Killed");
    let parameters = json!({"steps": 150, "width": 64, "height": 64});
    let mut worker = Worker::start(&place, &["--lease", "2", "--inject-fault", "slow@100"]);
    let picture = begun(&web, &project, &parameters, 90);
    assert_eq!(place.s3.count("PUT", "traces"), 1, "{:?}", place.s3.asked("traces"));
    worker.child.kill().expect("killed");
    let mut events = Events::connect(&web, "");
    let _second = Worker::start(&place, &["--lease", "2", "--inject-fault", "slow@20"]);
    let step = next_step(&mut events);
    assert!((50..91).contains(&step), "it goes on at step {step}");
    web.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&web, &picture), reference(&web, &project, &parameters));
    whole(&place, 2);
}

#[test]
fn while_the_object_store_is_away_a_saved_state_is_waited_for() {
    let Some(place) = Place::new() else { return };
    let (one, two) = (place.server(&["--inject-fault", "slow@15"]), place.server(&["--concurrency", "0"]));
    let project = one.create("Away");
    let parameters = json!({"steps": 70, "width": 128, "height": 128});
    let whole_picture = reference(&one, &project, &parameters);
    let picture = begun(&one, &project, &parameters, 5);
    place.s3.set_fault(Fault::Fails);
    let waits = |task: &Value| task["waiting_for"].as_str().is_some_and(|reason| reason.contains("object store"));
    std::thread::scope(|scope| {
        let pausing = scope.spawn(|| done(&two, &picture, "pause"));
        wait_for(&one, &picture, "waiting", waits);
        place.s3.set_fault(Fault::None);
        pausing.join().expect("answered");
    });
    let now = wait_for(&one, &picture, "paused", |task| task["status"] == "paused");
    let step = now["step"].as_u64().expect("a step");
    assert!(step >= 5, "{now}");
    whole(&place, 3);
    // Another server, without a cache: it does not begin again at the first step while it cannot read the state.
    drop(one.stop());
    let three = place.server(&[]);
    let fresh = place.server(&["--concurrency", "0"]);
    let read = trace(&two, &picture["take_id"]);
    assert_eq!(steps(&read, |_| true).len() as u64, step);
    place.s3.set_fault(Fault::Fails);
    let mut events = Events::connect(&three, "");
    done(&three, &picture, "resume");
    wait_for(&three, &picture, "waiting", waits);
    let answer = fresh.get(&format!("/api/v1/takes/{}/trace", picture["take_id"]));
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.text);
    place.s3.set_fault(Fault::None);
    loop {
        let first = next_step(&mut events);
        // What it waits for is published as progress too.
        if first != step {
            goes_on(step, first);
            break;
        }
    }
    three.wait_for_task(&picture["task_id"], "completed");
    assert_eq!(file(&two, &picture), whole_picture);
}
