//! New rows of tasks and takes.

use crate::StoreError;
use crate::rows::{json_for_column, to_column};
use crate::schema::{takes, tasks};
use crate::transaction::on_connections;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::Parameters;

/// A take to create, with its task.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTake {
    /// Names the picture's file, `<key>.png`. The file, with the first preview, exists already.
    pub key: String,
    /// Generation parameters.
    pub parameters: Parameters,
    /// Seed of the initial noise, 0 to 2^53 - 1.
    pub seed: u64,
}

#[derive(Insertable)]
#[diesel(table_name = tasks)]
pub(crate) struct InsertTask {
    pub(crate) project_id: i64,
    pub(crate) frame_id: i64,
    pub(crate) status: &'static str,
    pub(crate) parameters: String,
    pub(crate) seed: i64,
    pub(crate) queue_order: i64,
    pub(crate) created_at: i64,
    pub(crate) overnight: bool,
    pub(crate) pause_at: Option<i32>,
}

#[derive(Insertable)]
#[diesel(table_name = takes)]
pub(crate) struct InsertTake {
    pub(crate) project_id: i64,
    pub(crate) frame_id: i64,
    pub(crate) task_id: i64,
    pub(crate) key: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) created_at: i64,
}

/// A [`NewTake`] converted to column types.
pub(crate) struct TakeColumns {
    pub(crate) key: String,
    pub(crate) parameters: String,
    pub(crate) seed: i64,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

on_connections! {
    trait InsertQueries;

    /// Inserts a task and its take. Returns the task's id.
    async fn insert_task(conn: Db, task: InsertTask, take: TakeColumns) -> Result<i64, StoreError> {
        let (project_id, frame_id, created_at) = (task.project_id, task.frame_id, task.created_at);
        let insert = diesel::insert_into(tasks::table).values(task).returning(tasks::id);
        let task_id: i64 = insert.get_result(conn).await?;
        let TakeColumns { key, width, height, .. } = take;
        let take = InsertTake { project_id, frame_id, task_id, key, width, height, created_at };
        diesel::insert_into(takes::table).values(take).execute(conn).await?;
        Ok(task_id)
    }
}

pub(crate) fn columns_from_take(take: NewTake) -> Result<TakeColumns, StoreError> {
    let NewTake { key, parameters, seed } = take;
    let seed =
        i64::try_from(seed).map_err(|_| StoreError::Corrupt { column: "tasks.seed", value: seed.to_string() })?;
    let (width, height) = (to_column("takes.width", parameters.width)?, to_column("takes.height", parameters.height)?);
    Ok(TakeColumns { key, parameters: json_for_column("tasks.parameters", &parameters)?, seed, width, height })
}
