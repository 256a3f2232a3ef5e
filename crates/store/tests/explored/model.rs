//! One task, two processes and the database between them, as a model of which every order of events can be explored.
//!
//! A statement of the store is one action: the database carries it out whole. It is sent and arrives at another time, or never,
//! and so does its answer; a process may stop anywhere for any time (a zombie), and may be killed. Each guard of [`Checks`] is a
//! condition of the SQL, and can be taken out.

use crate::statements::{Checks, Message, Process, Run, Seen, State, Status};
use stateright::{Model, Property};

/// Steps of a picture.
const STEPS: u8 = 2;
/// Attempts at most. The last may lose its process: then the task fails.
const ATTEMPTS: u8 = 2;
/// Statements and answers that are on their way at the same time.
const IN_FLIGHT: usize = 2;
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `NEXT`, the update of `claim`, and `BEGIN`, in one transaction.
    Claim(usize),
    Step(usize),
    Finish(usize),
    Renew(usize),
    /// More time passes for a process than it may be sure for. Also: it was stopped, and goes on.
    Elapse(usize),
    /// The lease of the run ends.
    LeaseEnds,
    /// A process reads the runs whose leases are over.
    Sweep,
    Deliver(usize),
    /// A result arrives, and the answer to it does not; or the answer to a claim is lost.
    DeliverUnanswered(usize),
    Crash(usize),
    /// `MINE` (`Store::give_back_run`): it is stopped.
    GiveBack(usize),
    /// `Store::end_task`; the trigger `tasks_end_run` deletes the run, and the take's preview goes with it.
    Cancel,
    /// `Store::retry_task`.
    Retry,
    /// `Store::keep_run`.
    Keep,
}

/// The protocol with these conditions.
pub struct Protocol(pub Checks);

impl Protocol {
    fn of_process(state: &State, n: usize, actions: &mut Vec<Action>) {
        let (Process { work, asks, .. }, has_room) = (state.processes[n], state.in_flight.len() < IN_FLIGHT);
        match work {
            Some(work) => {
                let is_done = work.step == STEPS || work.keeps;
                actions.extend((has_room && !is_done).then_some(Action::Step(n)));
                actions.extend((has_room && is_done && !work.is_sent).then_some(Action::Finish(n)));
                actions.extend((has_room && !asks).then_some(Action::Renew(n)));
                actions.push(Action::GiveBack(n));
            }
            None => {
                let waits = state.in_flight.iter().any(|message| message.answers(n));
                let can = has_room && !asks && !waits && state.status == Status::Queued && state.attempt < ATTEMPTS;
                actions.extend(can.then_some(Action::Claim(n)));
            }
        }
        actions.extend((asks || work.is_some_and(|work| work.is_sure)).then_some(Action::Elapse(n)));
        actions.extend((state.crashes == 0).then_some(Action::Crash(n)));
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            status: Status::Queued,
            attempt: 0,
            lost: 0,
            run: None,
            preview: None,
            processes: Default::default(),
            in_flight: Vec::new(),
            crashes: 0,
            retries: 0,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        (0..2).for_each(|n| Self::of_process(state, n, actions));
        for (n, message) in state.in_flight.iter().enumerate() {
            actions.push(Action::Deliver(n));
            actions.extend(
                matches!(message, Message::Complete(..) | Message::Claimed(..)).then_some(Action::DeliverUnanswered(n)),
            );
        }
        if let Some(run) = state.run {
            // A lease is longer than its process is sure of it, and begins later.
            let holder = state.processes[run.server.0];
            let is_sure = holder.start == run.server.1 && (holder.asks || holder.work.is_some_and(|work| work.is_sure));
            actions.extend((!run.is_over && !is_sure).then_some(Action::LeaseEnds));
            actions.extend((run.is_over && state.in_flight.len() < IN_FLIGHT).then_some(Action::Sweep));
            actions.extend((!run.keep).then_some(Action::Keep));
        }
        let is_open = matches!(state.status, Status::Queued | Status::Running);
        actions.extend(is_open.then_some(Action::Cancel));
        actions.extend((state.status == Status::Cancelled && state.retries == 0).then_some(Action::Retry));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Claim(n) => {
                let server = state.server(n);
                (state.attempt, state.status) = (state.attempt + 1, Status::Running);
                state.run = Some(Run { attempt: state.attempt, server, is_over: false, keep: false });
                state.processes[n].asks = true;
                state.send(Message::Claimed(server, state.attempt));
            }
            Action::Step(n) => {
                let (server, work) = (state.server(n), state.processes[n].work.as_mut()?);
                work.step += 1;
                let message = Message::Step(server, work.attempt, work.step);
                state.send(message);
            }
            Action::Finish(n) => {
                let (server, work) = (state.server(n), state.processes[n].work.as_mut()?);
                work.is_sent = true;
                let message = Message::Complete(server, work.attempt);
                state.send(message);
            }
            Action::Renew(n) => {
                state.processes[n].asks = true;
                let message = Message::Renew(state.server(n), state.processes[n].work?.attempt, true);
                state.send(message);
            }
            Action::Elapse(n) => {
                state.give_up_renewal(n);
                state.processes[n].asks = false;
                if let Some(work) = &mut state.processes[n].work {
                    work.is_sure = false;
                }
            }
            Action::LeaseEnds => state.run.as_mut()?.is_over = true,
            Action::Sweep => {
                let message = Message::Expire(state.run?.attempt);
                state.send(message);
            }
            Action::Deliver(n) | Action::DeliverUnanswered(n) => {
                let message = state.in_flight.remove(n);
                self.0.deliver(&mut state, message, matches!(action, Action::Deliver(_)));
            }
            Action::Crash(n) => {
                state.crashes += 1;
                state.in_flight.retain(|message| !message.answers(n));
                state.processes[n] = Process { start: state.processes[n].start + 1, ..Process::default() };
            }
            Action::GiveBack(n) => {
                let (server, work) = (state.server(n), state.processes[n].work.take()?);
                if state.is_current(server, work.attempt) {
                    state.end(Status::Queued);
                }
            }
            Action::Cancel => {
                state.end(Status::Cancelled);
                state.preview = None;
            }
            Action::Retry => (state.status, state.lost, state.retries) = (Status::Queued, 0, state.retries + 1),
            Action::Keep => state.run.as_mut()?.keep = true,
        }
        Some(state.in_order())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, state: &State| state.seen.completions <= 1),
            Property::always(OWN_RESULT, |_, state: &State| !state.seen.stale_result),
            Property::always(OWN_STEPS, |_, state: &State| !state.seen.stale_step),
            Property::always(FORWARD, |_, state: &State| !state.seen.went_back),
            Property::always(NOT_TAKEN, |_, state: &State| !state.seen.taken),
            Property::always(RUN_OF_RUNNING, |_, state: &State| {
                (state.status == Status::Running) == state.run.is_some()
            }),
            Property::sometimes("a lost task is completed", |_, state: &State| {
                state.lost > 0 && state.status == Status::Completed
            }),
            Property::sometimes("a result is on its way while a later attempt runs", |_, state: &State| {
                let is_late =
                    |message: &Message| matches!(message, Message::Complete(_, attempt) if *attempt < state.attempt);
                state.status == Status::Running && state.in_flight.iter().any(is_late)
            }),
            Property::sometimes("a picture is kept before its last step", |_, state: &State| {
                let is_kept = |process: &Process| {
                    process.work.is_some_and(|work| work.keeps && work.is_sent && work.step < STEPS)
                };
                state.processes.iter().any(is_kept)
            }),
            Property::sometimes("a task fails that lost its process each time", |_, state: &State| {
                state.status == Status::Failed
            }),
        ]
    }
}

pub const ONCE: &str = "a task is completed once";
pub const OWN_RESULT: &str = "only the attempt that runs stores a result";
pub const OWN_STEPS: &str = "only the attempt that runs shows steps";
pub const FORWARD: &str = "a newer preview is not replaced by an older one";
pub const NOT_TAKEN: &str = "no run is taken from a process that is sure of it";
pub const RUN_OF_RUNNING: &str = "a task runs exactly while it has a run";
