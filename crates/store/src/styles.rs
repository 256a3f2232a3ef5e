//! Styles: list, create, update, delete, restore, import, purge.

use crate::clock::now_ms;
use crate::not_found::no_style;
use crate::rows::StyleRow;
use crate::schema::styles;
use crate::transaction::{read, write};
use crate::unreadable::load_readable;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{NewStyle, Style, StyleId, StylePatch};
use std::time::Duration;

#[derive(Clone, Insertable, AsChangeset)]
#[diesel(table_name = styles)]
struct InsertStyle {
    name: String,
    prompt: String,
    negative_prompt: String,
}

#[derive(AsChangeset)]
#[diesel(table_name = styles)]
struct ChangeStyle {
    name: Option<String>,
    prompt: Option<String>,
    negative_prompt: Option<String>,
}

impl From<StyleRow> for Style {
    fn from(row: StyleRow) -> Self {
        Self { id: StyleId(row.id), name: row.name, prompt: row.prompt, negative_prompt: row.negative_prompt }
    }
}

impl From<NewStyle> for InsertStyle {
    fn from(new: NewStyle) -> Self {
        Self { name: new.name, prompt: new.prompt, negative_prompt: new.negative_prompt }
    }
}

/// The error of a name that another style has, instead of the unique index's.
fn named(result: Result<StyleRow, diesel::result::Error>) -> Result<StyleRow, StoreError> {
    use diesel::result::{DatabaseErrorKind, Error};
    match result {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            Err(StoreError::Invalid { field: "name", message: "is the name of another style".to_owned() })
        }
        other => Ok(other?),
    }
}

impl Store {
    /// All styles that are not deleted, by name.
    pub async fn list_styles(&self) -> Result<Vec<Style>, StoreError> {
        let rows: Vec<StyleRow> = read!(self, |conn| {
            let live = styles::deleted_at.is_null();
            let order = (styles::name, styles::id);
            Ok(load_readable!(
                conn, "styles",
                all: styles::table.filter(live).order(order).select(StyleRow::as_select()),
                ids: styles::table.filter(live).order(order).select(styles::id),
                one: |id| styles::table.find(id).select(StyleRow::as_select()),
            ))
        })?;
        Ok(rows.into_iter().map(Style::from).collect())
    }

    /// Creates a style. `new` must be validated.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for the name of another style.
    pub async fn create_style(&self, new: NewStyle) -> Result<Style, StoreError> {
        let row = InsertStyle::from(new);
        let row: StyleRow = write!(self, |conn| {
            let insert = diesel::insert_into(styles::table).values(row).returning(styles::all_columns);
            named(insert.get_result(conn).await)
        })?;
        Ok(row.into())
    }

    /// Changes the fields that are set in `patch`, which must be validated. An empty patch changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is deleted, [`StoreError::Invalid`] for the name of another.
    pub async fn update_style(&self, id: StyleId, patch: StylePatch) -> Result<Style, StoreError> {
        let is_empty = patch == StylePatch::default();
        let StylePatch { name, prompt, negative_prompt } = patch;
        let change = ChangeStyle { name, prompt, negative_prompt };
        let row: StyleRow = write!(self, |conn| {
            let live = styles::table.find(id.0).filter(styles::deleted_at.is_null());
            let found = match is_empty {
                true => live.select(StyleRow::as_select()).first(conn).await.optional()?,
                false => {
                    let update = diesel::update(live).set(change).returning(styles::all_columns);
                    match update.get_result(conn).await {
                        Err(diesel::result::Error::NotFound) => None,
                        result => Some(named(result)?),
                    }
                }
            };
            found.ok_or_else(|| no_style(id))
        })?;
        Ok(row.into())
    }

    /// Deletes a style. It can be restored until it is purged.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is deleted already.
    pub async fn delete_style(&self, id: StyleId) -> Result<Style, StoreError> {
        let row: Option<StyleRow> = write!(self, |conn| {
            let live = styles::table.find(id.0).filter(styles::deleted_at.is_null());
            let update = diesel::update(live).set(styles::deleted_at.eq(now_ms())).returning(styles::all_columns);
            Ok(update.get_result(conn).await.optional()?)
        })?;
        row.map(Style::from).ok_or_else(|| no_style(id))
    }

    /// Restores a deleted style. One that is not deleted stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it does not exist or is purged, [`StoreError::Invalid`] if another style has its
    /// name by now.
    pub async fn restore_style(&self, id: StyleId) -> Result<Style, StoreError> {
        let row: StyleRow = write!(self, |conn| {
            let undeleted = styles::deleted_at.eq(None::<i64>);
            let update = diesel::update(styles::table.find(id.0)).set(undeleted).returning(styles::all_columns);
            match update.get_result(conn).await {
                Err(diesel::result::Error::NotFound) => Err(no_style(id)),
                result => named(result),
            }
        })?;
        Ok(row.into())
    }

    /// Creates styles, or replaces those that have their names, in one transaction. `new` must be validated.
    pub async fn import_styles(&self, new: Vec<NewStyle>) -> Result<Vec<Style>, StoreError> {
        let new: Vec<InsertStyle> = new.into_iter().map(InsertStyle::from).collect();
        let rows: Vec<StyleRow> = write!(self, |conn| {
            let mut rows = Vec::with_capacity(new.len());
            for style in new {
                let live = styles::table.filter(styles::name.eq(style.name.clone()));
                let live = live.filter(styles::deleted_at.is_null());
                let update = diesel::update(live).set(style.clone()).returning(styles::all_columns);
                let row: Option<StyleRow> = update.get_result(conn).await.optional()?;
                rows.push(match row {
                    Some(row) => row,
                    None => {
                        let insert = diesel::insert_into(styles::table).values(style).returning(styles::all_columns);
                        named(insert.get_result(conn).await)?
                    }
                });
            }
            Ok(rows)
        })?;
        Ok(rows.into_iter().map(Style::from).collect())
    }

    /// Deletes for good the styles that were deleted at least `age` ago. Returns their number.
    pub async fn purge_styles(&self, age: Duration) -> Result<usize, StoreError> {
        let newest = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        write!(self, |conn| {
            Ok(diesel::delete(styles::table.filter(styles::deleted_at.le(newest))).execute(conn).await?)
        })
    }
}
