//! Errors for rows that do not exist or are deleted.

use crate::StoreError;
use protocol::{FrameId, ProjectId, StyleId, TakeId, TaskId};

pub(crate) fn no_project(id: ProjectId) -> StoreError {
    StoreError::NotFound { what: format!("project {id}") }
}

pub(crate) fn no_frame(id: FrameId) -> StoreError {
    StoreError::NotFound { what: format!("frame {id}") }
}

pub(crate) fn no_take(id: TakeId) -> StoreError {
    StoreError::NotFound { what: format!("take {id}") }
}

pub(crate) fn no_task(id: TaskId) -> StoreError {
    StoreError::NotFound { what: format!("task {id}") }
}

pub(crate) fn no_style(id: StyleId) -> StoreError {
    StoreError::NotFound { what: format!("style {id}") }
}
