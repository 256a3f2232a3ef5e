//! Generations: from a request to queued tasks and their first previews.

use crate::{
    LocalStudio,
    problem::{file_problem, problem},
};
use engine::{first_preview, new_key, total_steps};
use prompt::template::{self, Random, Wildcards};
use protocol::{
    Accepted, AcceptedTask, Defaults, FieldError, NewGeneration, Parameters, Problem, Project, ProjectId, Recommended,
    generation::limits::SEED, generation::pause_error,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{borrow::Cow, io, sync::Arc};
use store::{Idempotency, NewTake, NewTasks};

/// Characters of an `Idempotency-Key`.
const KEY_CHARS: usize = 255;

impl LocalStudio {
    /// Order of work: the files of the first previews, the rows, their event (by the store), the answer. So no client ever sees an
    /// address without a picture.
    pub(crate) async fn create_generation(
        &self,
        id: ProjectId,
        new: NewGeneration,
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Problem> {
        let project = self.get_project(id).await?;
        let idempotency = idempotency_key.map(|key| idempotency(key, &(id, &new))).transpose()?;
        if let Some(tasks) = self.accepted_before(id, idempotency.as_ref()).await? {
            return Ok(Accepted { tasks, warnings: self.request_warnings(&new) });
        }
        let new = self.styled(new).await?;
        let defaults = self.defaults(&project, &new).await?;
        let parameters = new.resolved(&defaults)?;
        if let Some(error) = new.pause_at.and_then(|step| pause_error(step, total_steps(&parameters))) {
            return Err(Problem::Invalid(vec![error]));
        }
        self.check_start(id, &parameters).await?;
        // PyTorch's generator uses the low 32 bits of a seed, so a random seed needs no more.
        let first_seed = new.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let seeds = (0..u64::from(new.variants())).map(|number| (first_seed + number).min(SEED));
        let (mut takes, mut warnings) = (Vec::new(), Vec::new());
        for seed in seeds {
            let expanded = self.expanded(&new, seed)?;
            let parameters = expanded.map_or(Ok(parameters.clone()), |new| new.resolved(&defaults))?;
            let (parameters, about_loras) = self.with_loras(parameters).await?;
            if takes.is_empty() {
                warnings = [self.warnings(&parameters), about_loras].concat();
            }
            takes.push(NewTake { key: new_key(), parameters, seed });
        }
        self.write_first_previews(&takes).await?;
        let (project_id, NewGeneration { frame_id, overnight, pause_at, .. }) = (id, new);
        let tasks =
            self.queue_takes(NewTasks { project_id, frame_id, takes, idempotency, overnight, pause_at }).await?;
        Ok(Accepted { tasks, warnings })
    }

    /// The tasks of the request that had this idempotency key before; none for a new key.
    pub(crate) async fn accepted_before(
        &self,
        project: ProjectId,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Vec<AcceptedTask>>, Problem> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        let done = self.store.replayed(project, idempotency.clone()).await.map_err(problem)?;
        Ok(done.map(|done| done.accepted))
    }

    /// Creates tasks whose first previews are written. Removes the files if that fails.
    pub(crate) async fn queue_takes(&self, tasks: NewTasks) -> Result<Vec<AcceptedTask>, Problem> {
        let takes = tasks.takes.clone();
        let created = self.store.create_tasks(tasks).await;
        if !created.as_ref().is_ok_and(|created| !created.replayed) {
            self.remove_pictures(takes.iter().map(|take| take.key.as_str()));
        }
        Ok(created.map_err(problem)?.accepted)
    }

    /// What in the prompts is read as words.
    pub(crate) fn warnings(&self, parameters: &Parameters) -> Vec<FieldError> {
        let shelf = self.library.shelf();
        parameters.warnings(&|name| shelf.is_embedding(name))
    }

    /// As [`Self::warnings`], for a request whose tasks exist already.
    pub(crate) fn request_warnings(&self, new: &NewGeneration) -> Vec<FieldError> {
        let (prompt, negative) = (&new.prompt, new.negative_prompt.as_deref().unwrap_or_default());
        let shelf = self.library.shelf();
        protocol::prompt::warnings(prompt, negative, &|name| shelf.is_embedding(name))
    }

    /// The request with the choices and wildcards of its prompts as this seed expands them; `None` if there are none.
    pub(crate) fn expanded(&self, new: &NewGeneration, seed: u64) -> Result<Option<NewGeneration>, Problem> {
        let mut random = Random::new(seed);
        let wildcards = self.wildcards.as_ref().map(|folder| folder as &dyn Wildcards);
        let mut expand = |field, text| {
            let expanded = template::expand(text, &mut random, wildcards);
            expanded.map_err(|message| Problem::invalid(field, message))
        };
        let prompt = expand("prompt", &new.prompt)?;
        let negative = expand("negative_prompt", new.negative_prompt.as_deref().unwrap_or_default())?;
        if matches!((&prompt, &negative), (Cow::Borrowed(_), Cow::Borrowed(_))) {
            return Ok(None);
        }
        let negative_prompt = new.negative_prompt.as_ref().map(|_| negative.into_owned());
        Ok(Some(NewGeneration { prompt: prompt.into_owned(), negative_prompt, ..new.clone() }))
    }

    pub(crate) async fn estimate_generation(&self, id: ProjectId, new: NewGeneration) -> Result<Option<u64>, Problem> {
        let project = self.get_project(id).await?;
        let parameters = new.resolved(&self.defaults(&project, &new).await?)?;
        let each = self.engine.statistics().expected(&parameters);
        let all = each.map(|each| each.saturating_mul(new.variants()));
        Ok(all.map(|all| u64::try_from(all.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Writes the files of first previews. Where servers share the database there are none: each makes them when they are read.
    pub(crate) async fn write_first_previews(&self, takes: &[NewTake]) -> Result<(), Problem> {
        if self.store.is_shared() {
            return Ok(());
        }
        let (media, takes) = (Arc::clone(self.media()), takes.to_vec());
        let write = move || -> io::Result<()> {
            for take in &takes {
                let png = first_preview(&take.parameters, take.seed).map_err(io::Error::other)?;
                if let Err(error) = media.write_preview(&take.key, &png) {
                    takes.iter().for_each(|take| _ = media.remove(&take.key));
                    return Err(error);
                }
            }
            Ok(())
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a first preview could not be written");
                Err(file_problem(&error, "the server cannot write pictures"))
            }
            Err(_) => Err(Problem::Internal),
        }
    }

    pub(crate) fn remove_pictures<'a>(&self, keys: impl Iterator<Item = &'a str>) {
        for key in keys {
            if let Err(error) = self.media().remove(key) {
                tracing::warn!(key, %error, "a picture could not be removed; the next start removes it");
            }
        }
    }

    /// Values for the fields that the request leaves out. Fails if its model is not offered.
    pub(crate) async fn defaults(&self, project: &Project, new: &NewGeneration) -> Result<Defaults, Problem> {
        let (model, own) = self
            .engine
            .find_model(new.model.as_deref())
            .map_err(|names| Problem::invalid("model", format!("must be one of {}", names.join(", "))))?;
        let settings = self.get_settings().await?;
        let recommended = Recommended { width: project.width, height: project.height, ..own };
        Ok(Defaults {
            recommended,
            model,
            preview_method: settings.preview_method,
            preview_interval_ms: settings.preview_interval_ms,
        })
    }

    /// Fails unless the take to start from is a finished take of the same project.
    async fn check_start(&self, project: ProjectId, parameters: &Parameters) -> Result<(), Problem> {
        let Some(id) = parameters.init_take_id else { return Ok(()) };
        match self.store.get_take(id).await {
            Ok(found) if found.take.project_id == project && found.take.etag.is_some() => Ok(()),
            Ok(_) | Err(store::StoreError::NotFound { .. }) => {
                Err(Problem::invalid("init_take_id", "must be the id of a finished take of this project"))
            }
            Err(error) => Err(problem(error)),
        }
    }
}

/// The key of a request. Another request under the same key is a conflict.
pub(crate) fn idempotency(key: String, request: &impl Serialize) -> Result<Idempotency, Problem> {
    let count = key.chars().count();
    if !(1..=KEY_CHARS).contains(&count) || key.chars().any(char::is_control) {
        return Err(Problem::invalid("Idempotency-Key", format!("must be 1 to {KEY_CHARS} characters, not {count}")));
    }
    let request = serde_json::to_vec(request).map_err(|_| Problem::Internal)?;
    let fingerprint = Sha256::digest(request).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Idempotency { key, fingerprint })
}
