//! The servers and workers of a database: what this one tells the others of itself, and what it knows of them.

use super::Cluster;
use crate::{Models, models::Fingerprints};
use protocol::{AdvertisedModel, Model, WorkerKind};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use store::{About, Process};

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

/// Tells the others what this process has and follows what they have, until the task is aborted. Calls `changed` after each
/// change, with whether other tasks can be drawn than before. An error is not reported: the renewals of leases log that
/// the database is away.
pub(crate) async fn watch_processes(
    cluster: Arc<Cluster>,
    models: Arc<Models>,
    identity: Identity,
    (concurrency, protocol): (u32, u32),
    changed: impl Fn(bool) + Send,
) {
    let store = &cluster.store;
    let (own, mut digest, mut fingerprints) = (store.server_id(), String::new(), Fingerprints::default());
    loop {
        if let Ok(now) = store.processes_digest().await
            && now != digest
            && let Ok(processes) = store.processes().await
        {
            digest = now;
            changed(cluster.processes.set(processes));
        }
        let offers = models.offers();
        let computed = tokio::task::spawn_blocking(move || {
            fingerprints.add_some(&offers);
            fingerprints
        });
        let Ok(computed) = computed.await else { return };
        fingerprints = computed;
        let about = About { protocol, ..about(&models, &identity, concurrency, &fingerprints) };
        let processes = cluster.processes.all();
        let told = processes.iter().find(|process| Some(&process.id) == own.as_ref());
        if told.is_some_and(|told| told.about != about) {
            store.advertise(&about).await.ok();
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
