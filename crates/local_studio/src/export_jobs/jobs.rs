//! The list of exports: limits and ids.

use protocol::{Export, ExportId, Problem, ProjectId};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

/// Maximum number of queued and running exports of one project.
const OPEN_OF_PROJECT: usize = 4;
/// Maximum number of queued and running exports.
const OPEN: usize = 16;

/// An export with its cancellation flag.
#[derive(Debug)]
pub(super) struct Job {
    pub export: Export,
    /// File name that the client is offered.
    pub file_name: String,
    /// The object of its file, where all servers read it from an object store.
    pub object: Option<String>,
    pub cancelled: Arc<AtomicBool>,
}

/// Exports by their ids.
#[derive(Debug)]
pub(super) struct Jobs {
    pub all: BTreeMap<ExportId, Job>,
    next: ExportId,
}

impl Jobs {
    /// An empty list. Ids count up from `first`, which no earlier start of the server has used.
    pub fn starting_at(first: ExportId) -> Self {
        Self { all: BTreeMap::new(), next: first }
    }

    /// Fails if too many exports are queued or running.
    pub fn check_room(&self, project: ProjectId) -> Result<(), Problem> {
        let open = self.all.values().filter(|job| job.export.status.is_open());
        let (all, of_it) =
            open.fold((0, 0), |(all, of_it), job| (all + 1, of_it + usize::from(job.export.project_id == project)));
        Self::check_open(all, of_it)
    }

    /// Fails if too many exports are queued or running: `all`, or `of_it`, those of one project.
    pub fn check_open(all: usize, of_it: usize) -> Result<(), Problem> {
        if of_it >= OPEN_OF_PROJECT {
            let why = format!("{of_it} exports of this project wait or run, the most at a time");
            return Err(Problem::TooMany(format!("{why}; wait until one has ended, or delete one")));
        }
        if all >= OPEN {
            return Err(Problem::TooMany(format!("{all} exports wait or run, the most at a time; try again later")));
        }
        Ok(())
    }

    /// An id that was never used before, not even by a deleted export.
    pub fn next_id(&mut self) -> ExportId {
        let id = self.next;
        self.next = ExportId(id.0.saturating_add(1));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{ExportFormat, TaskStatus};

    fn add(jobs: &mut Jobs, project: i64) -> Result<ExportId, Problem> {
        jobs.check_room(ProjectId(project))?;
        let id = jobs.next_id();
        let export = Export {
            id,
            project_id: ProjectId(project),
            take_id: None,
            format: ExportFormat::Gif,
            status: TaskStatus::Queued,
            done: 0,
            total: 1,
            skipped: 0,
            path: None,
            bytes: None,
            error: None,
            created_at: String::new(),
        };
        jobs.all.insert(id, Job { export, file_name: String::new(), object: None, cancelled: Arc::default() });
        Ok(id)
    }

    #[test]
    fn a_removed_export_s_id_does_not_come_back() {
        let mut jobs = Jobs::starting_at(ExportId(7));
        let first = add(&mut jobs, 1).expect("room");
        jobs.all.remove(&first);
        assert_eq!((first, add(&mut jobs, 1).expect("room")), (ExportId(7), ExportId(8)));
    }

    #[test]
    fn those_that_wait_or_run_are_bounded_a_project_and_in_all() {
        let mut jobs = Jobs::starting_at(ExportId(1));
        let first: Vec<_> = (0..OPEN_OF_PROJECT).map(|_| add(&mut jobs, 1).expect("room")).collect();
        let told = add(&mut jobs, 1).expect_err("too many").to_string();
        assert!(told.starts_with("4 exports of this project wait or run"), "{told}");
        for project in 2..=4 {
            (0..OPEN_OF_PROJECT).for_each(|_| _ = add(&mut jobs, project).expect("room"));
        }
        let told = add(&mut jobs, 5).expect_err("too many").to_string();
        assert!(told.starts_with("16 exports wait or run"), "{told}");
        // One that has ended makes room, and so does one that is gone.
        jobs.all.get_mut(&first[0]).expect("there").export.status = TaskStatus::Completed;
        add(&mut jobs, 5).expect("room");
        assert!(add(&mut jobs, 1).is_err());
        jobs.all.remove(&first[1]);
        add(&mut jobs, 1).expect("room");
    }
}
