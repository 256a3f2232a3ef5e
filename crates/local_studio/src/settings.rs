//! The server's settings.

use crate::{LocalStudio, problem::problem};
use engine::{Models, TraceLimits};
use protocol::{Interrupted, Problem, Settings, SettingsPatch};
use std::{future::Future, num::NonZeroUsize, pin::Pin};
use store::{Store, StoreError};

/// Name of their row in the store.
const NAME: &str = "settings";

impl LocalStudio {
    /// The stored settings. Defaults if there are none, or if they cannot be parsed, which is logged.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stored_settings(store: &Store) -> Result<Settings, StoreError> {
        Ok(match read_stored(store).await? {
            Ok(settings) => settings,
            Err(why) => {
                store.report_setting(NAME, &format!("{why}; the defaults are used"));
                Settings::default()
            }
        })
    }

    /// Applies the stored settings to the models of a starting server.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn apply_settings(store: &Store, models: &Models) -> Result<(), StoreError> {
        apply(&Self::stored_settings(store).await?, models);
        Ok(())
    }

    /// What becomes of interrupted tasks, by the stored settings; the default while they cannot be read.
    pub fn interrupted(store: Store) -> Pin<Box<dyn Future<Output = Interrupted> + Send>> {
        Box::pin(async move { Self::stored_settings(&store).await.unwrap_or_default().interrupted })
    }

    /// What is kept of how pictures form, by the stored settings; none while they cannot be read.
    pub fn trace_limits(store: Store) -> Pin<Box<dyn Future<Output = Option<TraceLimits>> + Send>> {
        Box::pin(async move { Self::stored_settings(&store).await.ok().map(|settings| TraceLimits::from(&settings)) })
    }

    /// Why the stored settings cannot be parsed; `None` if they can.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn settings_fault(store: &Store) -> Result<Option<String>, StoreError> {
        Ok(read_stored(store).await?.err().map(|why| format!("settings {NAME}: {why}")))
    }

    pub(crate) async fn get_settings(&self) -> Result<Settings, Problem> {
        Self::stored_settings(&self.store).await.map_err(problem)
    }

    pub(crate) async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, Problem> {
        let settings = patch.applied(self.get_settings().await?)?;
        let text = serde_json::to_string(&settings).map_err(|_| Problem::Internal)?;
        self.store.put_setting(NAME, &text).await.map_err(problem)?;
        apply(&settings, self.engine.models());
        self.engine.set_traces(TraceLimits::from(&settings));
        Ok(settings)
    }
}

fn apply(settings: &Settings, models: &Models) {
    models.set_in_memory(NonZeroUsize::new(settings.models_in_memory.into()).unwrap_or(NonZeroUsize::MIN));
}

async fn read_stored(store: &Store) -> Result<Result<Settings, serde_json::Error>, StoreError> {
    let text = store.setting(NAME).await?;
    Ok(text.map_or_else(|| Ok(Settings::default()), |text| serde_json::from_str(&text)))
}
