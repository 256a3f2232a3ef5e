//! Which finished pictures were made with which file.

use crate::{LocalStudio, problem::problem};
use protocol::{LibraryItem, LibraryKind, Problem, media_path};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::FinishedRecipe;

/// How old the counts in the list may be.
const REFRESHED_EVERY: Duration = Duration::from_secs(5);

/// Number of pictures, and the newest one's address, by kind and name.
#[derive(Debug, Default)]
pub struct Usage(HashMap<(LibraryKind, String), (u64, String)>);

/// The counts, and when they were made.
#[derive(Debug, Default)]
pub(crate) struct CountedUsage(Mutex<Option<(Instant, Arc<Usage>)>>);

/// The fields of a task's parameters that name files.
#[derive(Deserialize)]
struct Named {
    model: String,
    #[serde(default)]
    loras: Vec<NamedLora>,
}

#[derive(Deserialize)]
struct NamedLora {
    name: String,
}

impl Usage {
    /// `recipes` are sorted by the time at which their pictures were finished.
    fn new(recipes: Vec<FinishedRecipe>) -> Self {
        let mut usage = Self::default();
        for recipe in recipes {
            let Ok(named) = serde_json::from_str::<Named>(&recipe.parameters) else { continue };
            let picture = format!("{}?v={}", media_path(&recipe.key), recipe.etag);
            let loras = named.loras.into_iter().map(|lora| (LibraryKind::Lora, lora.name));
            for used in loras.chain([(LibraryKind::Checkpoint, named.model)]) {
                let (count, newest) = usage.0.entry(used).or_default();
                *count += 1;
                newest.clone_from(&picture);
            }
        }
        usage
    }

    /// Number of pictures made with a file.
    pub(super) fn takes(&self, item: &LibraryItem) -> u64 {
        self.of(item).map_or(0, |(count, _)| *count)
    }

    /// URL path of the newest picture made with a file.
    pub(super) fn newest(&self, item: &LibraryItem) -> Option<String> {
        self.of(item).map(|(_, newest)| newest.clone())
    }

    fn of(&self, item: &LibraryItem) -> Option<&(u64, String)> {
        self.0.get(&(item.kind, item.name.clone()))
    }
}

impl LocalStudio {
    /// The counts, at most [`REFRESHED_EVERY`] old.
    pub(super) async fn usage(&self) -> Result<Arc<Usage>, Problem> {
        let counted = self.usage.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, usage)) = counted.filter(|(at, _)| at.elapsed() < REFRESHED_EVERY) {
            return Ok(usage);
        }
        let recipes = self.store.finished_recipes().await.map_err(problem)?;
        let made = tokio::task::spawn_blocking(move || Arc::new(Usage::new(recipes)));
        let usage = made.await.map_err(|_| Problem::Internal)?;
        *self.usage.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&usage)));
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_picture_of_each_file_counts() {
        let recipe = |key: &str, parameters: &str| FinishedRecipe {
            key: key.to_owned(),
            etag: "e".to_owned(),
            parameters: parameters.to_owned(),
        };
        let usage = Usage::new(vec![
            recipe("a", r#"{"model":"m","loras":[{"name":"l"}]}"#),
            recipe("b", r#"{"model":"m"}"#),
            recipe("c", "{"),
        ]);
        let of = |kind, name: &str| usage.0.get(&(kind, name.to_owned())).cloned();
        assert_eq!(of(LibraryKind::Checkpoint, "m"), Some((2, "/media/b.png?v=e".to_owned())));
        assert_eq!(of(LibraryKind::Lora, "l"), Some((1, "/media/a.png?v=e".to_owned())));
        assert_eq!(of(LibraryKind::Lora, "m"), None);
    }
}
