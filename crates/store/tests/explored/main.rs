//! The protocol of runs, explored whole: every order in which statements of two processes, their answers, a crash, ends of
//! leases and requests of users can reach the database. `cargo test --release --test explored -- --nocapture` prints the size.

mod model;
mod statements;

use model::{FORWARD, NOT_TAKEN, ONCE, OWN_RESULT, OWN_STEPS, Protocol, RUN_OF_RUNNING};
use statements::Checks;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

#[test]
fn with_all_checks_every_order_of_events_keeps_the_promises() {
    let started = Instant::now();
    let checker = Protocol(Checks::ALL).checker().threads(2).spawn_bfs().join();
    let (states, took) = (checker.unique_state_count(), started.elapsed());
    println!("{states} states, {} deep, explored in {took:.1?}", checker.max_depth());
    assert!(checker.is_done());
    // Nothing that must not happen, and each example of what must be possible.
    checker.assert_properties();
    assert!(states > 100_000, "{states} states: the model is too small to say anything");
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// What is found when checks are taken out of the statements.
fn found_without(checks: Checks, broken: &'static str) {
    let found = HasDiscoveries::AnyOf([broken].into());
    let checker = Protocol(checks).checker().threads(2).finish_when(found).spawn_bfs().join();
    let path = checker.assert_any_discovery(broken);
    println!("{checks:?}: {broken} is broken by {:?}", path.into_actions());
}

#[test]
fn without_the_check_of_the_attempt_a_result_of_an_ended_attempt_is_stored() {
    let checks = Checks { attempt: false, ..Checks::ALL };
    found_without(checks, OWN_RESULT);
    found_without(checks, OWN_STEPS);
}

#[test]
fn without_the_checks_of_attempt_and_holder_any_process_ends_the_run_of_another() {
    let checks = Checks { attempt: false, holder: false, ..Checks::ALL };
    found_without(checks, OWN_RESULT);
    found_without(checks, OWN_STEPS);
}

#[test]
fn without_any_check_of_who_completes_a_task_is_completed_twice() {
    found_without(Checks { attempt: false, holder: false, status: false, ..Checks::ALL }, ONCE);
    // The update's own two conditions are what keeps it: the run is gone after the first completion.
    found_without(Checks { attempt: false, status: false, ..Checks::ALL }, ONCE);
}

#[test]
fn without_the_check_of_the_lease_a_run_is_taken_from_its_process() {
    found_without(Checks { lease: false, ..Checks::ALL }, NOT_TAKEN);
}

#[test]
fn without_the_check_of_the_step_a_delayed_preview_replaces_a_newer_one() {
    found_without(Checks { newer: false, ..Checks::ALL }, FORWARD);
}

/// Each attempt has one holder, so that the attempt alone identifies a run; the holder is a second line of defence.
#[test]
fn the_attempt_alone_keeps_the_promises() {
    let checker = Protocol(Checks { holder: false, ..Checks::ALL }).checker().threads(2).spawn_bfs().join();
    for promise in [ONCE, OWN_RESULT, OWN_STEPS, FORWARD, NOT_TAKEN, RUN_OF_RUNNING] {
        checker.assert_no_discovery(promise);
    }
}
