//! The database of the model, the processes that use it, and the store's statements as functions on them.

/// A task fails when it has lost its process this often. One less than in the store, which only makes the model larger.
const MOST_LOST: u8 = 2;

/// The conditions of the statements.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// `attempt = $2` in `HELD`, `STEP`, `EXPIRED`, the renewal, and the update of `complete`.
    pub attempt: bool,
    /// `server_id = $3` in `HELD`, `STEP` and the renewal.
    pub holder: bool,
    /// `status = 'running'` in the update of `complete`.
    pub status: bool,
    /// `lease_until < clock_timestamp()` in `EXPIRED`.
    pub lease: bool,
    /// `(p.attempt, p.step) < (excluded.attempt, excluded.step)` in `STEP`.
    pub newer: bool,
}

impl Checks {
    pub const ALL: Self = Self { attempt: true, holder: true, status: true, lease: true, newer: true };
}

/// A process: which one, and how often it was started. Its id in the database is new at each start.
pub type Server = (usize, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Queued,
    Running,
    Completed,
    Cancelled,
    Failed,
}

/// The row of `runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub attempt: u8,
    pub server: Server,
    pub is_over: bool,
    pub keep: bool,
}

/// What a process knows of the attempt that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    pub attempt: u8,
    pub step: u8,
    pub keeps: bool,
    /// Whether the result was sent and may still arrive.
    pub is_sent: bool,
    /// Whether the lease is surely not over (`sure_until` in the engine's keeper).
    pub is_sure: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    pub start: u8,
    pub work: Option<Work>,
    /// Whether a claim or renewal was sent less than three quarters of a lease ago, and not answered yet.
    pub asks: bool,
}

/// What is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// `STEP` (`Store::report_step`).
    Step(Server, u8, u8),
    /// `Store::complete_task`. `Store::fail_attempt` has the same conditions.
    Complete(Server, u8),
    /// The renewal (`Store::renew_runs`), and whether its process still waits for the answer.
    Renew(Server, u8, bool),
    /// `EXPIRED` (`Store::end_expired_run`), for a run of a list that was read earlier.
    Expire(u8),
    /// The answer to a claim.
    Claimed(Server, u8),
    /// The answer to a renewal: the attempt, whether its run was there, and whether it is kept.
    Renewed(Server, u8, bool, bool),
}

impl Message {
    /// The process that sent it, or that it is for.
    fn server(&mut self) -> Option<&mut Server> {
        match self {
            Self::Step(server, ..)
            | Self::Complete(server, _)
            | Self::Renew(server, ..)
            | Self::Claimed(server, _)
            | Self::Renewed(server, ..) => Some(server),
            Self::Expire(_) => None,
        }
    }

    /// Whether it is an answer to this process.
    pub fn answers(&self, process: usize) -> bool {
        matches!(self, Self::Claimed(server, _) | Self::Renewed(server, ..) if server.0 == process)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub status: Status,
    pub attempt: u8,
    pub lost: u8,
    pub run: Option<Run>,
    /// Attempt and step of the row of `live_previews`.
    pub preview: Option<(u8, u8)>,
    pub processes: [Process; 2],
    pub in_flight: Vec<Message>,
    pub crashes: u8,
    pub retries: u8,
    pub seen: Seen,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    pub completions: u8,
    /// A result was stored that is not of the attempt that runs.
    pub stale_result: bool,
    /// A step was shown that is not of the attempt that runs.
    pub stale_step: bool,
    /// An older preview replaced a newer one.
    pub went_back: bool,
    /// A run was taken from a process that was sure of it.
    pub taken: bool,
}

impl State {
    /// Ends the run, as the trigger does when a task runs no longer.
    pub fn end(&mut self, status: Status) {
        (self.status, self.run) = (status, None);
    }

    pub fn send(&mut self, message: Message) {
        if let Err(at) = self.in_flight.binary_search(&message) {
            self.in_flight.insert(at, message);
        }
    }

    pub fn work(&mut self, (process, start): Server, attempt: u8) -> Option<&mut Work> {
        let process = &mut self.processes[process];
        process.work.as_mut().filter(|work| process.start == start && work.attempt == attempt)
    }

    pub fn is_current(&self, server: Server, attempt: u8) -> bool {
        self.run.is_some_and(|run| run.server == server && run.attempt == attempt)
    }

    /// The process waits no longer for the answer to its renewal, which may still arrive at the database.
    pub fn give_up_renewal(&mut self, process: usize) {
        self.in_flight.retain(|message| !matches!(message, Message::Renewed(server, ..) if server.0 == process));
        for message in &mut self.in_flight {
            if let Message::Renew(server, _, is_awaited) = message {
                *is_awaited &= server.0 != process;
            }
        }
        self.in_flight.sort_unstable();
    }

    /// The same state with the processes in a fixed order: which is which makes no difference.
    pub fn in_order(mut self) -> Self {
        if self.processes[0] > self.processes[1] {
            self.processes.swap(0, 1);
            if let Some(run) = &mut self.run {
                run.server.0 = 1 - run.server.0;
            }
            for message in &mut self.in_flight {
                if let Some(server) = message.server() {
                    server.0 = 1 - server.0;
                }
            }
            self.in_flight.sort_unstable();
        }
        self
    }

    pub fn server(&self, process: usize) -> Server {
        (process, self.processes[process].start)
    }
}

impl Checks {
    /// Whether a statement that names an attempt and a server finds the run.
    fn finds(self, run: Option<Run>, server: Server, attempt: u8) -> bool {
        let is_it = |run: Run| (run.attempt == attempt || !self.attempt) && (run.server == server || !self.holder);
        run.is_some_and(is_it)
    }

    fn step(self, state: &mut State, server: Server, attempt: u8, step: u8) {
        if !self.finds(state.run, server, attempt) {
            return;
        }
        state.seen.stale_step |= !state.is_current(server, attempt);
        let is_newer = state.preview < Some((attempt, step));
        if is_newer || !self.newer {
            state.seen.went_back |= state.preview > Some((attempt, step));
            state.preview = Some((attempt, step));
        }
    }

    /// `assert_held`, then the update.
    fn complete(self, state: &mut State, server: Server, attempt: u8) {
        let runs = state.status == Status::Running;
        let runs_elsewhere = !self.finds(state.run, server, attempt) && runs && state.attempt == attempt;
        let is_found = (runs || !self.status) && (state.attempt == attempt || !self.attempt);
        if (self.holder && runs_elsewhere) || !is_found {
            return;
        }
        state.seen.stale_result |= !state.is_current(server, attempt);
        state.seen.completions += 1;
        state.end(Status::Completed);
        state.preview = None;
    }

    fn renew(self, state: &mut State, server: Server, attempt: u8, is_awaited: bool) {
        let is_mine = self.finds(state.run, server, attempt);
        if let Some(run) = state.run.as_mut().filter(|_| is_mine) {
            run.is_over = false;
        }
        let keep = is_mine && state.run.is_some_and(|run| run.keep);
        if is_awaited {
            state.send(Message::Renewed(server, attempt, is_mine, keep));
        }
    }

    fn expire(self, state: &mut State, attempt: u8) {
        let Some(run) = state.run else { return };
        if (run.attempt != attempt && self.attempt) || (!run.is_over && self.lease) {
            return;
        }
        state.seen.taken |= state.work(run.server, run.attempt).is_some_and(|work| work.is_sure);
        state.lost += 1;
        state.end(if state.lost >= MOST_LOST { Status::Failed } else { Status::Queued });
    }

    /// `is_answered`: whether the process gets the answer to its claim or result. It sends a result again, and knows nothing of a
    /// claim.
    pub fn deliver(self, state: &mut State, message: Message, is_answered: bool) {
        match message {
            Message::Step(server, attempt, step) => self.step(state, server, attempt, step),
            Message::Complete(server, attempt) => {
                self.complete(state, server, attempt);
                let is_work = state.work(server, attempt).map(|work| work.is_sent = false).is_some();
                if is_work && is_answered {
                    state.processes[server.0].work = None;
                }
            }
            Message::Renew(server, attempt, is_awaited) => self.renew(state, server, attempt, is_awaited),
            Message::Expire(attempt) => self.expire(state, attempt),
            Message::Claimed((process, start), attempt) => {
                let process = &mut state.processes[process];
                if !is_answered {
                    process.asks = false;
                } else if process.start == start {
                    let is_sure = std::mem::take(&mut process.asks);
                    process.work = Some(Work { attempt, step: 0, keeps: false, is_sent: false, is_sure });
                }
            }
            Message::Renewed(server, attempt, is_mine, keep) => {
                let asks = state.processes[server.0].asks;
                let Some(work) = state.work(server, attempt) else { return };
                (work.is_sure, work.keeps) = (is_mine && asks, keep);
                let process = &mut state.processes[server.0];
                process.asks = false;
                // Its run is over: the slot is closed.
                process.work = process.work.filter(|_| is_mine);
            }
        }
    }
}
