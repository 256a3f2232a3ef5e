//! Settings of the whole server: a text for each name.

use crate::rows::SettingRow;
use crate::schema::settings;
use crate::transaction::{read, write};
use crate::unreadable::report;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

impl Store {
    /// The value of a setting; none when it was never set or cannot be read.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        read!(self, |conn| {
            let found = settings::table.find(name.clone()).select(settings::value).first(conn).await.optional();
            match found {
                Err(diesel::result::Error::DeserializationError(why)) => {
                    report("settings", name, &why);
                    Ok(None)
                }
                found => Ok(found?),
            }
        })
    }

    /// Logs, once in each run, that a setting's value cannot be read by its owner.
    pub fn report_setting(&self, name: &str, why: &str) {
        report("settings", name, &why);
    }

    /// Sets a setting, replacing its old value.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let row = SettingRow { name: name.to_owned(), value: value.to_owned() };
        write!(self, |conn| {
            let value = settings::value.eq(row.value.clone());
            let put = diesel::insert_into(settings::table).values(row).on_conflict(settings::name).do_update();
            put.set(value).execute(conn).await?;
            Ok(())
        })
    }

    /// Sets a setting unless it is set already. Returns the value that counts: of several callers all get the same.
    pub async fn setting_or(&self, name: &str, value: &str) -> Result<String, StoreError> {
        let row = SettingRow { name: name.to_owned(), value: value.to_owned() };
        write!(self, |conn| {
            let name = row.name.clone();
            diesel::insert_into(settings::table).values(row).on_conflict_do_nothing().execute(conn).await?;
            Ok(settings::table.find(name).select(settings::value).first(conn).await?)
        })
    }
}
