//! The models of all servers and workers of a database.

use crate::{Engine, cluster::starts_tasks};
use protocol::{AdvertisedModel, Model, Recommended, TaskId, Worker};
use std::{collections::HashMap, sync::Arc};
use store::Process;

impl Engine {
    /// The servers and workers of the database, by name; none on SQLite.
    pub fn list_workers(&self) -> Vec<Worker> {
        let mut workers: Vec<Worker> = self.processes().iter().map(Process::to_worker).collect();
        workers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        workers
    }

    /// The models that can be chosen, the default first: those of this server if it makes pictures, then those of the others.
    pub fn list_models(&self) -> Vec<Model> {
        let own = self.models().list();
        let processes = self.processes();
        if !processes.iter().any(|process| process.about.concurrency > 0) {
            return own;
        }
        let mut models = if self.makes_pictures { own } else { Vec::new() };
        let mut places: HashMap<String, usize> =
            models.iter().enumerate().map(|(place, model)| (model.name.clone(), place)).collect();
        for process in processes.iter().filter(|process| process.about.concurrency > 0) {
            for AdvertisedModel { model, .. } in &process.about.models {
                let place = *places.entry(model.name.clone()).or_insert(models.len());
                if place == models.len() {
                    models.push(model.clone());
                }
                let known = &mut models[place];
                known.workers.push(process.about.name.clone());
                known.loaded |= process.about.loaded.contains(&model.name);
            }
        }
        models
    }

    /// Name and recommended settings of the model of this name, or of the default.
    ///
    /// # Errors
    /// Nobody has it. Contains the names of those that can be chosen.
    pub fn find_model(&self, name: Option<&str>) -> Result<(String, Recommended), Vec<String>> {
        let is_it = |candidate: &str| name.is_none_or(|name| name == candidate);
        if self.makes_pictures
            && let Some(offer) = self.models().offers().iter().find(|offer| is_it(&offer.name))
        {
            return Ok((offer.name.clone(), offer.recommended.clone()));
        }
        let models = self.list_models();
        match models.iter().find(|model| is_it(&model.name)) {
            Some(model) => Ok((model.name.clone(), model.recommended.clone())),
            None => Err(models.into_iter().map(|model| model.name).collect()),
        }
    }

    /// What a queued task with this model waits for, if nobody can start it.
    pub fn waits_for_worker(&self, model: &str) -> Option<String> {
        let processes = self.processes();
        let own = self.shared.store.server_id();
        // What this server has is known before it has told the others.
        let has = |process: &&Process| match Some(&process.id) == own.as_ref() {
            true => self.makes_pictures && self.models().offer(model).is_some(),
            false => process.about.models.iter().any(|offered| offered.model.name == model),
        };
        if processes.is_empty() {
            return None;
        }
        let mut with_model = processes.iter().filter(has).peekable();
        if with_model.peek().is_none() {
            return Some(format!("a worker with the model \"{model}\""));
        }
        let is_own = |process: &Process| Some(&process.id) == own.as_ref() && !process.draining;
        let all_drain = !with_model.any(|process| starts_tasks(process) || is_own(process));
        all_drain.then(|| format!("a worker with the model \"{model}\": those that have it are draining"))
    }

    /// Name of the server or worker that runs a task; none on SQLite and for one that does not run.
    pub fn worker_of(&self, task: TaskId) -> Option<String> {
        let processes = self.processes();
        let runs = processes.iter().find(|process| process.tasks.contains(&task))?;
        Some(runs.about.name.clone()).filter(|name| !name.is_empty())
    }

    fn processes(&self) -> Arc<Vec<Process>> {
        self.shared.cluster.as_ref().map(|cluster| cluster.processes.all()).unwrap_or_default()
    }
}
