//! The server's settings.

use super::{StudioServices, problem::problem};
use protocol::{Problem, Settings, SettingsPatch};
use store::{Store, StoreError};

/// The name under which they are stored.
const NAME: &str = "settings";

impl StudioServices {
    /// The settings that are stored; the defaults where there are none, or those of another version.
    pub async fn stored_settings(store: &Store) -> Result<Settings, StoreError> {
        let text = store.setting(NAME).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
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
