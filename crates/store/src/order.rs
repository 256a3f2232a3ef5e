//! Stored order: frames on a timeline, projects in their list.

use crate::StoreError;
use crate::schema::{frames, projects};
use crate::transaction::on_connections;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

on_connections! {
    trait OrderQueries;

    /// Moves a project to the top of the list, which is sorted by the last change.
    async fn touch_project(conn: Db, id: i64, now: i64) -> Result<(), StoreError> {
        diesel::update(projects::table.find(id)).set(projects::updated_at.eq(now)).execute(conn).await?;
        Ok(())
    }

    /// The position after every frame of a project, deleted frames included.
    async fn end_of_timeline(conn: Db, project_id: i64) -> Result<i32, StoreError> {
        let of_project = frames::table.filter(frames::project_id.eq(project_id));
        let last: Option<i32> = of_project.select(diesel::dsl::max(frames::position)).first(conn).await?;
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// Moves the frame `(id, project_id)` directly after the frame `(position, id)`, or to the start without one.
    ///
    /// All later frames, deleted ones included, move up by two: one for the gap, one because frames may share a
    /// position with `after`.
    async fn place_after(conn: Db, frame: (i64, i64), after: Option<(i32, i64)>) -> Result<(), StoreError> {
        let (id, project_id) = frame;
        let (position, last_id) = after.unwrap_or((-1, i64::MAX));
        let later = frames::table
            .filter(frames::project_id.eq(project_id))
            .filter(frames::id.ne(id))
            .filter(frames::position.gt(position).or(frames::position.eq(position).and(frames::id.gt(last_id))));
        diesel::update(later).set(frames::position.eq(frames::position + 2)).execute(conn).await?;
        diesel::update(frames::table.find(id)).set(frames::position.eq(position + 1)).execute(conn).await?;
        Ok(())
    }

    /// Moves the frame `(id, project_id)` to an index among the live frames of its project, counted from 0. An index
    /// past the end means the end.
    async fn move_frame(conn: Db, frame: (i64, i64), index: u32) -> Result<(), StoreError> {
        let (id, project_id) = frame;
        let others: Vec<(i32, i64)> = frames::table
            .filter(frames::project_id.eq(project_id))
            .filter(frames::deleted_at.is_null())
            .filter(frames::id.ne(id))
            .order((frames::position.asc(), frames::id.asc()))
            .select((frames::position, frames::id))
            .load(conn)
            .await?;
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(others.len());
        let after = index.checked_sub(1).and_then(|last| others.get(last)).copied();
        conn.place_after(frame, after).await
    }
}
