//! Settings: texts by name.

use crate::rows::SettingRow;
use crate::schema::settings;
use crate::store::{read, write};
use crate::unreadable::report;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

impl Store {
    /// The setting of that name, if it was ever put, and can be read.
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

    /// Says in the log, once for each start, that a setting holds what its owner cannot read.
    pub fn report_setting(&self, name: &str, why: &str) {
        report("settings", name, &why);
    }

    /// Puts a setting in place of what it was.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let row = SettingRow { name: name.to_owned(), value: value.to_owned() };
        write!(self, |conn| {
            let value = settings::value.eq(row.value.clone());
            let put = diesel::insert_into(settings::table).values(row).on_conflict(settings::name).do_update();
            put.set(value).execute(conn).await?;
            Ok(())
        })
    }
}
