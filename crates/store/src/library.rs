//! Files of the library.

use crate::rows::LibraryFileRow;
use crate::schema::{library_files, takes, tasks};
use crate::transaction::{read, write};
use crate::unreadable::report;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// A finished picture, and what it was made with.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct FinishedRecipe {
    /// The picture is at `/media/<key>.png`.
    pub key: String,
    /// Hash of the picture's bytes.
    pub etag: String,
    /// JSON: the task's parameters.
    pub parameters: String,
}

/// Maximum number of pictures that are counted.
const MOST_COUNTED: i64 = 100_000;

impl Store {
    /// The finished pictures in the order in which they were finished, of deleted frames and projects too.
    pub async fn finished_recipes(&self) -> Result<Vec<FinishedRecipe>, StoreError> {
        read!(self, |conn| {
            let finished = takes::table.inner_join(tasks::table.on(tasks::id.eq(takes::task_id)));
            let finished = finished.filter(takes::finished_at.is_not_null()).filter(takes::etag.is_not_null());
            let columns = (takes::key, takes::etag.assume_not_null(), tasks::parameters);
            let newest = finished.order((takes::finished_at.desc(), takes::id.desc())).select(columns);
            let loaded = newest.limit(MOST_COUNTED).load(conn).await;
            match loaded {
                // Counts are not worth an error: lists of takes report such rows.
                Err(diesel::result::Error::DeserializationError(_)) => Ok(Vec::new()),
                loaded => {
                    let mut recipes: Vec<FinishedRecipe> = loaded?;
                    recipes.reverse();
                    Ok(recipes)
                }
            }
        })
    }

    /// Everything that is kept about files of the library. Rows that cannot be read are left out.
    pub async fn library_files(&self) -> Result<Vec<LibraryFileRow>, StoreError> {
        read!(self, |conn| {
            let all = library_files::table.select(LibraryFileRow::as_select());
            match all.load(conn).await {
                Err(diesel::result::Error::DeserializationError(_)) => {
                    let ids: Vec<String> = library_files::table.select(library_files::id).load(conn).await?;
                    let mut rows = Vec::with_capacity(ids.len());
                    for id in ids {
                        let one = library_files::table.find(id.clone()).select(LibraryFileRow::as_select());
                        match one.first(conn).await {
                            Ok(row) => rows.push(row),
                            Err(diesel::result::Error::DeserializationError(why)) => report("library_files", id, &why),
                            Err(error) => return Err(error.into()),
                        }
                    }
                    Ok(rows)
                }
                loaded => Ok(loaded?),
            }
        })
    }

    /// Keeps what was read from files. Marks of files that are kept already stay as they are.
    pub async fn put_library_files(&self, files: Vec<LibraryFileRow>) -> Result<(), StoreError> {
        write!(self, |conn| {
            for row in &files {
                let columns = (
                    library_files::bytes.eq(row.bytes),
                    library_files::modified_ms.eq(row.modified_ms),
                    library_files::facts.eq(row.facts.clone()),
                    library_files::sha256.eq(row.sha256.clone()),
                    library_files::tensors_sha256.eq(row.tensors_sha256.clone()),
                );
                let put = diesel::insert_into(library_files::table).values(row.clone());
                put.on_conflict(library_files::id).do_update().set(columns).execute(conn).await?;
            }
            Ok(())
        })
    }

    /// Keeps a user's marks of a file: favourite, distillation and title.
    pub async fn mark_library_file(&self, file: LibraryFileRow) -> Result<(), StoreError> {
        write!(self, |conn| {
            let marks = (
                library_files::favourite.eq(file.favourite),
                library_files::distillation.eq(file.distillation.clone()),
                library_files::title.eq(file.title.clone()),
            );
            let put = diesel::insert_into(library_files::table).values(file.clone());
            put.on_conflict(library_files::id).do_update().set(marks).execute(conn).await?;
            Ok(())
        })
    }
}
