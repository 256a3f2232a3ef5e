//! The server's settings.

use super::{StudioServices, problem::problem};
use protocol::{Problem, Settings, SettingsPatch};
use store::{Store, StoreError};

/// The name under which they are stored.
const NAME: &str = "settings";

impl StudioServices {
    /// The settings that are stored; the defaults where there are none, or those that cannot be read, which the log says.
    pub async fn stored_settings(store: &Store) -> Result<Settings, StoreError> {
        Ok(match read_stored(store).await? {
            Ok(settings) => settings,
            Err(why) => {
                store.report_setting(NAME, &format!("{why}; the defaults count"));
                Settings::default()
            }
        })
    }

    /// Why the stored settings cannot be read, if they cannot.
    pub async fn settings_fault(store: &Store) -> Result<Option<String>, StoreError> {
        Ok(read_stored(store).await?.err().map(|why| format!("settings {NAME}: {why}")))
    }

    pub(super) async fn read_settings(&self) -> Result<Settings, Problem> {
        Self::stored_settings(&self.store).await.map_err(problem)
    }

    pub(super) async fn change_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem> {
        let settings = patch.applied(self.read_settings().await?)?;
        let text = serde_json::to_string(&settings).map_err(|_| Problem::Internal)?;
        self.store.put_setting(NAME, &text).await.map_err(problem)?;
        Ok(settings)
    }
}

async fn read_stored(store: &Store) -> Result<Result<Settings, serde_json::Error>, StoreError> {
    let text = store.setting(NAME).await?;
    Ok(text.map_or_else(|| Ok(Settings::default()), |text| serde_json::from_str(&text)))
}
