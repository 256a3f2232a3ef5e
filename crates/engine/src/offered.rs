//! The models of all servers and workers of a database.

use crate::{Engine, cluster::starts_tasks};
use protocol::{AdvertisedModel, Model, Parameters, Recommended, TaskId, Worker};
use std::{collections::HashMap, sync::Arc};
use store::{FileKind, NeededFile, Needs, Process};

/// Whether a process can make a picture, and what it lacks.
struct Able {
    has_model: bool,
    /// Whether it knows the drawing protocol.
    is_new: bool,
    /// A file or version that it lacks, as what a task waits for.
    lacks: Option<String>,
    /// Whether it starts tasks.
    starts: bool,
}

impl Able {
    /// How much of what is needed it has.
    fn rank(&self) -> u32 {
        match (self.has_model, self.is_new, &self.lacks) {
            (false, ..) => 0,
            (true, false, _) => 1,
            (true, true, Some(_)) => 2,
            (true, true, None) => 3,
        }
    }
}

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

    /// What a queued task with these parameters waits for, if nobody can start it.
    pub fn waits_for_worker(&self, of: &Parameters) -> Option<String> {
        let (processes, needs) = (self.processes(), self.shared.store.needs(of));
        if processes.is_empty() {
            return None;
        }
        let able: Vec<Able> = processes.iter().map(|process| self.able(process, of, &needs)).collect();
        let model = &of.model;
        let Some(best) = able.iter().map(|able| able.rank()).max().filter(|best| *best > 0) else {
            return Some(format!("a worker with the model \"{model}\""));
        };
        let lacks = able.iter().find(|able| able.rank() == best).and_then(|able| able.lacks.clone());
        if lacks.is_some() {
            return lacks;
        }
        let all_drain = !able.iter().any(|able| able.lacks.is_none() && able.has_model && able.starts);
        all_drain.then(|| format!("a worker with the model \"{model}\": those that have it are draining"))
    }

    /// Whether a process can make a picture.
    fn able(&self, process: &Process, of: &Parameters, needs: &Needs) -> Able {
        // What this server has is known before it has told the others.
        let is_own = Some(&process.id) == self.shared.store.server_id().as_ref();
        let (has_model, files, protocol, starts) = match is_own {
            true => {
                let has_model = self.makes_pictures && self.models().offer(&of.model).is_some();
                (has_model, self.models().files(), self.shared.protocol, self.makes_pictures && !process.draining)
            }
            false => {
                let about = &process.about;
                let has_model = about.models.iter().any(|offered| offered.model.name == of.model);
                (has_model, about.files.clone(), about.protocol.max(1), starts_tasks(process))
            }
        };
        let missing = needs.files.iter().find(|file| !files.has(file));
        let lacks = match missing {
            _ if protocol < needs.protocol => Some("a worker of a newer version of Emberline".to_owned()),
            Some(NeededFile { kind: FileKind::Lora, name, .. }) => Some(format!("a worker with the LoRA \"{name}\"")),
            Some(NeededFile { name, .. }) => Some(format!("a worker with the embedding \"{name}\"")),
            None => None,
        };
        Able { has_model, lacks, starts, is_new: protocol >= needs.protocol }
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
