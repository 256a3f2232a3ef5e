//! The servers and workers of a database: what this one tells the others of itself, and what it knows of them.

use super::Cluster;
use crate::{Models, models::Fingerprints};
use protocol::{AdvertisedModel, Model, WorkerKind};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use store::{About, OwnProcess, Process, Store};

/// How often it is looked for changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// What this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name, for users.
    pub name: String,
    /// Server or worker.
    pub kind: WorkerKind,
}

/// The processes that use the database, as of the last look.
#[derive(Debug, Default)]
pub(crate) struct Processes(RwLock<Arc<Vec<Process>>>);

impl Processes {
    /// The oldest first. None before the first look.
    pub(crate) fn all(&self) -> Arc<Vec<Process>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them. Returns whether other tasks can be drawn than before.
    fn set(&self, now: Vec<Process>) -> bool {
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), Arc::new(now));
        offered(&before) != offered(&self.all())
    }
}

/// What can be drawn: by each process its models, files and drawing protocol.
fn offered(processes: &[Process]) -> BTreeSet<(BTreeSet<String>, u32)> {
    let names = |about: &About| {
        let models = about.models.iter().map(|offered| &offered.model.name);
        models.chain(&about.files.hashes).chain(&about.files.unhashed).cloned().collect()
    };
    let starting = processes.iter().filter(|process| starts_tasks(process));
    starting.map(|process| (names(&process.about), process.about.protocol)).collect()
}

/// Whether a process starts tasks.
pub(crate) fn starts_tasks(process: &Process) -> bool {
    process.about.concurrency > 0 && !process.draining
}

/// What a process tells the others of itself.
pub(crate) struct Own {
    models: Arc<Models>,
    identity: Identity,
    /// Tasks at the same time.
    concurrency: u32,
    /// The version of the drawing protocol that it draws.
    protocol: u32,
    fingerprints: Fingerprints,
    /// What was told last.
    told: Option<About>,
}

impl Own {
    pub(crate) fn new(models: &Arc<Models>, identity: &Identity, concurrency: u32, protocol: u32) -> Self {
        let (fingerprints, told) = Default::default();
        Self { models: Arc::clone(models), identity: identity.clone(), concurrency, protocol, fingerprints, told }
    }

    /// Tells it if it has changed, or if the others do not have it. Returns whether it was told.
    async fn tell(&mut self, store: &Store, has_said: bool) -> bool {
        let (offers, mut fingerprints) = (self.models.offers(), std::mem::take(&mut self.fingerprints));
        let computed = tokio::task::spawn_blocking(move || {
            fingerprints.add_some(&offers);
            fingerprints
        });
        // An error: the runtime is shut down.
        self.fingerprints = computed.await.unwrap_or_default();
        let about = about(&self.models, &self.identity, self.concurrency, &self.fingerprints);
        let about = About { protocol: self.protocol, ..about };
        if has_said && self.told.as_ref() == Some(&about) {
            return false;
        }
        let is_told = matches!(store.advertise(&about).await, Ok(true));
        self.told = is_told.then_some(about);
        is_told
    }
}

/// Tells the others what this process has and follows what they have, until the task is aborted. Calls `changed` after each
/// change, with whether other tasks can be drawn than before. An error is not reported: the renewals of leases log that
/// the database is away.
pub(crate) async fn watch_processes(cluster: Arc<Cluster>, mut own: Own, changed: impl Fn(bool) + Send) {
    let store = &cluster.store;
    let (id, mut digest) = (store.server_id(), String::new());
    loop {
        if let Ok(now) = store.processes_digest().await
            && now != digest
            && let Ok(processes) = store.processes().await
        {
            digest = now;
            changed(cluster.processes.set(processes));
        }
        let processes = cluster.processes.all();
        if let Some(known) = processes.iter().find(|process| Some(&process.id) == id.as_ref()) {
            let has_said = known.about != About::default();
            own.tell(store, has_said).await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// As [`watch_processes`], for a process that need not know the others: reads its own row only. Calls `wake` when it
/// may start tasks again, or has other models.
pub(crate) async fn advertise(cluster: Arc<Cluster>, mut own: Own, wake: impl Fn() + Send) {
    let mut is_draining = false;
    loop {
        if let Ok(Some(OwnProcess { has_said, draining })) = cluster.store.own_process().await {
            let is_resumed = std::mem::replace(&mut is_draining, draining) && !draining;
            if own.tell(&cluster.store, has_said).await || is_resumed {
                wake();
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn about(models: &Models, identity: &Identity, concurrency: u32, fingerprints: &Fingerprints) -> About {
    let offers = models.offers();
    let advertised = |model: Model| {
        let offer = offers.iter().find(|offer| offer.name == model.name);
        let fingerprint = offer.and_then(|offer| fingerprints.get(offer));
        AdvertisedModel { model: Model { loaded: false, refused: Vec::new(), ..model }, fingerprint }
    };
    About {
        name: identity.name.clone(),
        kind: identity.kind,
        device: models.compute().info.to_string(),
        concurrency,
        models: models.list().into_iter().map(advertised).collect(),
        loaded: models.loaded(),
        protocol: 0,
        files: models.files(),
    }
}
