//! A model of frames, tasks and takes in memory: the expected contents of the store after each step.

use protocol::{FrameId, FrameStatus, TakeId, TaskId, TaskStatus};

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    NotFound,
    Conflict,
    Invalid,
}

#[derive(Clone, Debug)]
pub struct ModelTake {
    pub id: TakeId,
    pub path: String,
    /// Order of finishing.
    pub finished: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct ModelTask {
    pub id: TaskId,
    pub frame: FrameId,
    pub status: TaskStatus,
    pub attempt: u32,
    pub take: Option<ModelTake>,
    /// Its take after a user deleted that.
    pub deleted: Option<ModelTake>,
    /// Place in the queue.
    pub place: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Live,
    /// Deleted by a user.
    Deleted,
    /// Deleted with its last take.
    Emptied,
}

#[derive(Clone, Debug)]
pub struct ModelFrame {
    pub id: FrameId,
    pub life: Life,
    pub selected: Option<TakeId>,
}

/// One project.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// In timeline order, deleted frames included.
    pub frames: Vec<ModelFrame>,
    /// In the order of ids.
    pub tasks: Vec<ModelTask>,
    places: usize,
    finished: usize,
}

impl Model {
    pub fn frame(&mut self, id: FrameId) -> &mut ModelFrame {
        self.frames.iter_mut().find(|frame| frame.id == id).expect("a frame of the model")
    }

    pub fn life(&self, id: FrameId) -> Life {
        self.frames.iter().find(|frame| frame.id == id).expect("a frame of the model").life
    }

    pub fn task(&mut self, id: TaskId) -> &mut ModelTask {
        self.tasks.iter_mut().find(|task| task.id == id).expect("a task of the model")
    }

    /// The place after all others.
    pub fn next_place(&mut self) -> usize {
        self.places += 1;
        self.places
    }

    pub fn next_finished(&mut self) -> usize {
        self.finished += 1;
        self.finished
    }

    fn takes_of(&self, frame: FrameId) -> impl Iterator<Item = (&ModelTask, &ModelTake)> {
        self.tasks.iter().filter(move |task| task.frame == frame).filter_map(|task| Some((task, task.take.as_ref()?)))
    }

    /// The task whose take the frame shows, and the frame's status.
    pub fn shown(&self, frame: &ModelFrame) -> Option<(&ModelTask, FrameStatus)> {
        let newest_running = self
            .takes_of(frame.id)
            .filter(|(task, _)| task.status == TaskStatus::Running)
            .max_by_key(|(_, take)| take.id);
        if let Some((task, _)) = newest_running {
            return Some((task, FrameStatus::Running));
        }
        let paused = self.takes_of(frame.id).filter(|(task, _)| task.status == TaskStatus::Paused);
        if let Some((task, _)) = paused.max_by_key(|(_, take)| take.id) {
            return Some((task, FrameStatus::Paused));
        }
        if let Some((task, _)) = self.takes_of(frame.id).find(|(_, take)| Some(take.id) == frame.selected) {
            return Some((task, FrameStatus::Ready));
        }
        let oldest = self
            .takes_of(frame.id)
            .filter(|(task, _)| task.status == TaskStatus::Queued)
            .min_by_key(|(_, take)| take.id);
        oldest.map(|(task, _)| (task, FrameStatus::Queued))
    }

    pub fn is_bare(&self, id: FrameId) -> bool {
        let frame = self.frames.iter().find(|frame| frame.id == id).expect("a frame of the model");
        self.shown(frame).is_none()
    }

    /// The queued tasks of live frames in queue order.
    pub fn waiting(&self) -> Vec<TaskId> {
        let waits = |task: &&ModelTask| task.status == TaskStatus::Queued && self.life(task.frame) == Life::Live;
        let mut waiting: Vec<&ModelTask> = self.tasks.iter().filter(waits).collect();
        waiting.sort_by_key(|task| task.place);
        waiting.into_iter().map(|task| task.id).collect()
    }

    /// Distributes the places of the queued tasks in this order.
    pub fn reorder(&mut self, order: &[TaskId]) {
        let mut places: Vec<usize> = order.iter().map(|id| self.task(*id).place).collect();
        places.sort_unstable();
        for (id, place) in order.iter().zip(places) {
            self.task(*id).place = place;
        }
    }

    /// Deletes a frame with nothing left to show.
    pub fn empty(&mut self, id: FrameId) {
        if self.is_bare(id) && self.life(id) == Life::Live {
            self.frame(id).life = Life::Emptied;
        }
    }

    /// Removes a finished take. Returns it.
    pub fn drop_take(&mut self, task: TaskId) -> ModelTake {
        let frame = self.task(task).frame;
        let take = self.task(task).take.take().expect("a take");
        let other = self.takes_of(frame).filter(|(_, other)| other.finished.is_some());
        let newest = other.max_by_key(|(_, other)| other.finished).map(|(_, other)| other.id);
        let frame = self.frame(frame);
        if frame.selected == Some(take.id) {
            frame.selected = newest;
        }
        take
    }

    /// Moves a frame to an index among the live frames, directly after the frame before it.
    pub fn move_frame(&mut self, id: FrameId, rank: usize) {
        let at = self.frames.iter().position(|frame| frame.id == id).expect("a frame of the model");
        let frame = self.frames.remove(at);
        let live = self.frames.iter().enumerate().filter(|(_, frame)| frame.life == Life::Live);
        let before = live.map(|(index, _)| index + 1).take(rank).last().unwrap_or(0);
        self.frames.insert(before, frame);
    }
}
