//! What the wall shows, the takes of a frame at once: a cell for each. Pure.

use crate::studio::{address, progress_text, state::StudioState};
use protocol::{FrameId, Take, TakeId, TaskId, TaskStatus, TaskSummary};

/// A take on the wall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Id of the take.
    pub take: i64,
    /// Id of its task.
    pub task: i64,
    /// Its state.
    pub status: Status,
    /// `Step 3/30`, `Waiting`, `Finished` or why it failed.
    pub said: String,
    /// Seed of the noise.
    pub seed: u64,
    /// The URL of its picture; empty without one.
    pub picture: String,
    /// Whether the frame shows it while none is made.
    pub selected: bool,
    /// Whether it stops, or has stopped, before its picture is finished.
    pub is_rough: bool,
}

/// The state of a take. Its name is in the page, for the style sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    /// Queued.
    Waiting,
    /// Running.
    Forming,
    /// Paused by a user or by itself.
    Paused,
    /// Its picture is finished.
    Finished,
    /// It has failed since the page was loaded.
    Failed,
}

impl Status {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Forming => "forming",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// Whether its picture is not finished but may still be.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Forming | Self::Paused)
    }
}

/// The longer side of a picture on the wall, CSS pixels: the largest thumbnail is sharp in it.
const CELL_PX: u32 = 320;

impl Cell {
    fn of_task(task: &TaskSummary) -> Self {
        let status = match task.status {
            TaskStatus::Running => Status::Forming,
            TaskStatus::Paused => Status::Paused,
            _ => Status::Waiting,
        };
        Self {
            take: task.take_id.0,
            task: task.task_id.0,
            status,
            said: match (status, &task.loading) {
                (Status::Waiting, _) => progress_text::in_queue(task),
                (_, Some(_)) => progress_text::time_left(task),
                _ => progress_text::step(task),
            },
            seed: task.seed,
            picture: address::of_task(task),
            selected: false,
            is_rough: status == Status::Paused || task.pause_at.is_some(),
        }
    }

    fn of_take(take: &Take) -> Self {
        Self {
            take: take.id.0,
            task: take.task_id.0,
            status: Status::Finished,
            said: "Finished".to_owned(),
            seed: take.seed,
            picture: address::thumbnail(address::of_take(take), (take.width, take.height), CELL_PX),
            selected: take.selected,
            is_rough: false,
        }
    }
}

/// The cells of a frame, in the order of their tasks: a take that is made again keeps its place. `takes`: its finished takes.
pub fn cells(frame: FrameId, takes: &[Take], state: &StudioState) -> Vec<Cell> {
    let open = state.tasks.iter().filter(|task| task.frame_id == frame).map(Cell::of_task);
    let mut cells: Vec<Cell> = open.collect();
    for take in takes.iter().filter(|take| take.frame_id == frame) {
        if cells.iter().all(|cell| cell.take != take.id.0) {
            cells.push(Cell::of_take(take));
        }
    }
    for ended in state.ended.iter().filter(|ended| ended.frame_id == frame) {
        if let Some(why) = &ended.error {
            cells.push(Cell {
                take: ended.take_id.0,
                task: ended.task_id.0,
                status: Status::Failed,
                said: format!("Failed: {why}"),
                seed: ended.seed,
                ..Cell::default()
            });
        }
    }
    cells.sort_by_key(|cell| cell.task);
    cells
}

/// What the wall shows, and what it is made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The frame.
    pub frame: Option<FrameId>,
    /// How often the finished takes were read.
    pub reads: u32,
    /// What is shown.
    pub cells: Vec<Cell>,
}

impl Seen {
    /// A take that has just ended is in no list until the finished takes are read again: it stays as it was until then.
    pub fn after(mut self, before: Option<&Self>) -> Self {
        let Some(before) = before.filter(|before| before.frame == self.frame && before.reads == self.reads) else {
            return self;
        };
        let gone = before.cells.iter().filter(|cell| self.cells.iter().all(|now| now.take != cell.take));
        let gone: Vec<Cell> = gone.filter(|cell| cell.status.is_open()).cloned().collect();
        self.cells.extend(gone);
        self.cells.sort_by_key(|cell| cell.task);
        self
    }
}

/// The wall that is open: the frame, and its chosen tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWall {
    /// The frame whose takes it shows.
    pub frame: FrameId,
    /// The chosen tasks.
    pub chosen: Vec<TaskId>,
}

impl OpenWall {
    /// A wall of which nothing is chosen.
    pub fn of(frame: FrameId) -> Self {
        Self { frame, chosen: Vec::new() }
    }

    /// Chooses a task, or takes that back.
    pub fn toggle(&mut self, task: TaskId) {
        match self.chosen.iter().position(|chosen| *chosen == task) {
            Some(at) => _ = self.chosen.remove(at),
            None => self.chosen.push(task),
        }
    }

    /// Numbers for the browser's storage: the frame, then the chosen tasks.
    pub fn to_text(&self) -> String {
        let chosen = self.chosen.iter().map(|task| format!(" {task}"));
        [self.frame.to_string()].into_iter().chain(chosen).collect()
    }

    /// The wall of this text; none if it says that none is open.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map_while(|number| number.parse().ok());
        let frame = FrameId(numbers.next()?);
        Some(Self { frame, chosen: numbers.map(TaskId).collect() })
    }
}

/// The chosen tasks that stop before their pictures are finished: "Finish chosen" lets them go on.
pub fn to_finish(cells: &[Cell], chosen: &[TaskId]) -> Vec<TaskId> {
    let rough = cells.iter().filter(|cell| cell.is_rough).map(|cell| TaskId(cell.task));
    rough.filter(|task| chosen.contains(task)).collect()
}

/// The open tasks that are not chosen, the last in the queue first, so that none starts in place of one that is discarded. None if
/// nothing would be left.
pub fn others(cells: &[Cell], chosen: &[TaskId]) -> Vec<TaskId> {
    let is_other = |cell: &&Cell| cell.status.is_open() && !chosen.contains(&TaskId(cell.task));
    let (others, rest): (Vec<&Cell>, Vec<&Cell>) = cells.iter().rev().partition(is_other);
    match rest.iter().any(|cell| cell.status != Status::Failed) {
        true => others.into_iter().map(|cell| TaskId(cell.task)).collect(),
        false => Vec::new(),
    }
}

/// `12 takes: 1 forming, 8 paused, 3 finished`.
pub fn summary(cells: &[Cell]) -> String {
    let all = [Status::Waiting, Status::Forming, Status::Paused, Status::Finished, Status::Failed];
    let counts = all.map(|status| (cells.iter().filter(|cell| cell.status == status).count(), status.as_str()));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, status)| format!("{count} {status}"));
    let takes = if cells.len() == 1 { "take" } else { "takes" };
    format!("{} {takes}: {}", cells.len(), counts.collect::<Vec<_>>().join(", "))
}

/// The take of this id, if it is there.
pub fn cell_of(cells: &[Cell], take: TakeId) -> Option<(usize, &Cell)> {
    cells.iter().enumerate().find(|(_, cell)| cell.take == take.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::{Ended, examples};

    /// A task of frame 1.
    fn task(id: i64, status: TaskStatus, step: u32, pause_at: Option<u32>) -> TaskSummary {
        TaskSummary { frame_id: FrameId(1), status, step, pause_at, attempt: 1, ..examples::task(id) }
    }

    fn state(tasks: Vec<TaskSummary>) -> StudioState {
        examples::studio(vec![examples::frame(1)], tasks).into()
    }

    #[test]
    fn every_take_of_the_frame_has_a_cell_in_the_order_of_their_ids() {
        let tasks = vec![
            task(4, TaskStatus::Queued, 0, Some(8)),
            task(3, TaskStatus::Running, 5, None),
            task(2, TaskStatus::Paused, 8, Some(8)),
            examples::task(9),
        ];
        let mut state = state(tasks);
        let failed = |id, error: Option<&str>| Ended {
            task_id: TaskId(id),
            frame_id: FrameId(1),
            take_id: TakeId(id),
            seed: 7,
            prompt: String::new(),
            error: error.map(str::to_owned),
        };
        state.ended = vec![failed(5, Some("no memory")), failed(6, None)];
        let cells = cells(FrameId(1), &[Take { selected: true, ..examples::take() }], &state);
        let shown: Vec<_> = cells.iter().map(|cell| (cell.take, cell.status.as_str(), cell.said.as_str())).collect();
        let expected = [
            (1, "finished", "Finished"),
            (2, "paused", "Paused at step 8 of 30"),
            (3, "forming", "Step 5/30"),
            (4, "waiting", "Waiting"),
            (5, "failed", "Failed: no memory"),
        ];
        assert_eq!(shown, expected);
        assert_eq!(cells.iter().map(|cell| cell.is_rough).collect::<Vec<_>>(), [false, true, false, true, false]);
        assert_eq!((cells[1].picture.as_str(), cells[1].seed, cells[0].selected), ("/media/k2.png?t=1.8", 100, true));
        assert_eq!(summary(&cells), "5 takes: 1 waiting, 1 forming, 1 paused, 1 finished, 1 failed");
        let chosen = [TaskId(2), TaskId(3), TaskId(1)];
        assert_eq!(to_finish(&cells, &chosen), [TaskId(2)], "3 goes on by itself");
        assert_eq!(others(&cells, &chosen), [TaskId(4)]);
        assert_eq!(others(&cells, &[]), [TaskId(4), TaskId(3), TaskId(2)]);
        assert_eq!(others(&cells[1..], &[]), [], "nothing would be left");
    }

    #[test]
    fn one_that_has_just_ended_stays_until_the_takes_are_read() {
        let seen = |reads, tasks: Vec<TaskSummary>, takes: &[Take]| Seen {
            frame: Some(FrameId(1)),
            reads,
            cells: cells(FrameId(1), takes, &state(tasks)),
        };
        let first = seen(1, vec![task(1, TaskStatus::Running, 29, None)], &[]);
        let ended = seen(1, vec![], &[]).after(Some(&first));
        assert_eq!(ended.cells, first.cells);
        assert_eq!(seen(2, vec![], &[examples::take()]).after(Some(&ended)).cells[0].status, Status::Finished);
        assert_eq!(seen(2, vec![], &[]).after(Some(&ended)).cells, [], "it was cancelled");
        let deleted = seen(2, vec![], &[examples::take()]);
        assert_eq!(seen(2, vec![], &[]).after(Some(&deleted)).cells, [], "a finished take is deleted at once");
        let other = Seen { frame: Some(FrameId(2)), ..seen(1, vec![], &[]) };
        assert_eq!(other.after(Some(&first)).cells, []);
    }

    #[test]
    fn the_open_wall_is_read_back_from_its_text() {
        let mut wall = OpenWall::of(FrameId(3));
        [5, 7, 5, 9].into_iter().for_each(|id| wall.toggle(TaskId(id)));
        assert_eq!((wall.to_text().as_str(), OpenWall::from_text("3 7 9")), ("3 7 9", Some(wall)));
        assert_eq!(OpenWall::from_text("3"), Some(OpenWall::of(FrameId(3))));
        assert_eq!((OpenWall::from_text(""), OpenWall::from_text("x")), (None, None));
    }
}
