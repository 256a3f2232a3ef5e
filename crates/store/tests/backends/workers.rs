//! What the servers and workers of a database say of themselves, and which tasks they claim.

use crate::runs::{renew, run_of, servers};
use crate::studio::{claim, new_frame, parameters, request};
use protocol::{AdvertisedModel, Model, Parameters, ProjectId, Recommended, TaskId, WorkerKind};
use std::time::Duration;
use store::{About, FileKind, NeededFile, Needs, NewTake, OwnFiles, OwnProcess, Process, Store};

/// Longer than a test.
const LONG: Duration = Duration::from_secs(600);

/// Queues a task with this model.
pub async fn with_model(store: &Store, project: ProjectId, model: &str) -> TaskId {
    let mut tasks = request(project, None, 1);
    let parameters = Parameters { model: model.to_owned(), ..parameters() };
    tasks.takes = tasks.takes.into_iter().map(|take| NewTake { parameters: parameters.clone(), ..take }).collect();
    store.create_tasks(tasks).await.expect("created").accepted[0].task_id
}

pub fn has(store: &Store, models: &[&str]) {
    store.set_models(models.iter().map(|&name| name.to_owned()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_claims_only_tasks_whose_models_it_has() {
    let Some((database, one, two, project)) = servers().await else { return };
    let names = ["a", "b \"quoted\" 'c'", "a"];
    let mut ids = Vec::new();
    for name in names {
        ids.push(with_model(&one, project, name).await);
    }
    has(&one, &["x", "b \"quoted\" 'c'"]);
    assert_eq!(claim(&one).await.task.id, ids[1]);
    assert_eq!(one.claim_task().await.expect("answered"), None, "the others wait for a worker with their model");
    has(&one, &[]);
    assert_eq!(one.claim_task().await.expect("answered"), None);
    has(&two, &["a"]);
    assert_eq!([claim(&two).await.task.id, claim(&two).await.task.id], [ids[0], ids[2]]);
    // A task whose parameters cannot be read is anybody's: whoever claims it reports it.
    let unreadable = with_model(&one, project, "a").await;
    let later = with_model(&one, project, "x").await;
    database.execute(&format!("UPDATE tasks SET parameters = 'no JSON' WHERE id = {unreadable}")).await;
    assert_eq!(
        database.number(&format!("SELECT count(*) FROM tasks WHERE id = {unreadable} AND model IS NULL")).await,
        1
    );
    has(&one, &["x"]);
    assert_eq!(claim(&one).await.task.id, later);
}

fn about(name: &str) -> About {
    let model = Model {
        name: "it's".into(),
        title: "It's".into(),
        recommended: Recommended::default(),
        has_taesd: true,
        examples: Vec::new(),
        loaded: false,
        notes: Vec::new(),
        refused: Vec::new(),
        workers: Vec::new(),
    };
    About {
        name: name.to_owned(),
        kind: WorkerKind::Worker,
        device: "CPU".into(),
        concurrency: 2,
        models: vec![AdvertisedModel { model, fingerprint: Some("0123456789abcdef".into()) }],
        loaded: vec!["it's".into()],
        protocol: 3,
        files: OwnFiles { hashes: vec!["0123456789ab".into()], unhashed: vec!["it's".into()] },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_know_each_other_by_what_they_say_of_themselves() {
    let Some((_database, one, two, project)) = servers().await else { return };
    one.set_lease(LONG);
    let digest = async || two.processes_digest().await.expect("read");
    let (id, nobody) = (one.server_id().expect("on PostgreSQL"), digest().await);
    assert!(!one.advertise(&about("gpu")).await.expect("answered"), "it is not registered");
    renew(&one, &[]).await;
    let known = Process { id: id.clone(), ..two.processes().await.expect("read").remove(0) };
    assert_eq!(
        (known.about, known.draining, known.tasks),
        (About::default(), false, Vec::new()),
        "it has said nothing"
    );
    let registered = digest().await;
    let told = |has_said, draining| Some(OwnProcess { has_said, draining });
    assert_eq!(one.own_process().await.expect("answered"), told(false, false));
    assert!(one.advertise(&about("gpu")).await.expect("recorded"));
    assert_eq!(one.own_process().await.expect("answered"), told(true, false));
    assert_eq!(two.own_process().await.expect("answered"), None, "it is not registered");
    let said = digest().await;
    assert!(nobody != registered && registered != said && said == digest().await);
    new_frame(&one, project).await;
    let open = claim(&one).await;
    let known = two.processes().await.expect("read");
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let expected = Process { id: id.clone(), version, about: about("gpu"), draining: false, tasks: vec![open.task.id] };
    assert_eq!(known, [expected]);
    assert_ne!(said, digest().await, "it runs a task");
    // Renewals leave it as it is; a process that is gone is not listed.
    let now = digest().await;
    renew(&one, &[run_of(&open)]).await;
    assert_eq!(digest().await, now);
    one.unregister().await.expect("gone");
    assert_eq!(two.processes().await.expect("read"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_drains_starts_nothing_until_it_is_resumed() {
    let Some((_database, one, two, project)) = servers().await else { return };
    [&one, &two].iter().for_each(|store| store.set_lease(LONG));
    let id = one.server_id().expect("on PostgreSQL");
    for unknown in ["0123456789abcdef", "", "' OR TRUE --"] {
        assert!(!two.set_draining(unknown, true).await.expect("answered"), "{unknown}");
    }
    renew(&one, &[]).await;
    renew(&two, &[]).await;
    new_frame(&one, project).await;
    assert!(two.set_draining(&id, true).await.expect("recorded"));
    assert_eq!(one.own_process().await.expect("answered").map(|own| own.draining), Some(true));
    renew(&one, &[]).await;
    assert_eq!(one.claim_task().await.expect("answered"), None);
    let drains: Vec<bool> = two.processes().await.expect("read").iter().map(|it| it.draining).collect();
    assert_eq!(drains.iter().filter(|drains| **drains).count(), 1);
    assert!(two.set_draining(&id, false).await.expect("recorded"));
    claim(&one).await;
    new_frame(&one, project).await;
    assert!(one.set_draining(&id, true).await.expect("recorded"));
    claim(&two).await;
}

/// The file that a prompt of these tests names: `name`, or `name:hash`.
fn file_of(prompt: &str) -> Option<NeededFile> {
    let (name, hash) = prompt.split_once(':').map_or((prompt, None), |(name, hash)| (name, Some(hash.to_owned())));
    (!name.is_empty()).then(|| NeededFile { kind: FileKind::Lora, name: name.to_owned(), hash })
}

/// Queues a task with this prompt, which says what it needs.
async fn with_prompt(store: &Store, project: ProjectId, prompt: &str) -> TaskId {
    let mut tasks = request(project, None, 1);
    tasks.takes[0].parameters.prompt = prompt.to_owned();
    store.create_tasks(tasks).await.expect("created").accepted[0].task_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_claims_only_tasks_whose_files_it_has() {
    let Some((_database, one, two, project)) = servers().await else { return };
    one.find_needs(Box::new(|of| Needs { protocol: 1, files: file_of(&of.prompt).into_iter().collect() }));
    let (hashed, unhashed) = (with_prompt(&one, project, "it's:aaaa").await, with_prompt(&one, project, "plain").await);
    let (other, free) = (with_prompt(&one, project, "gone:bbbb").await, with_prompt(&one, project, "").await);
    let files = |hashes: &[&str], unhashed: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        OwnFiles { hashes: owned(hashes), unhashed: owned(unhashed) }
    };
    two.set_abilities(1, OwnFiles::default());
    assert_eq!(claim(&two).await.task.id, free, "it has no file");
    assert_eq!(two.claim_task().await.expect("answered"), None);
    two.set_abilities(1, files(&["aaaa"], &[]));
    assert_eq!(claim(&two).await.task.id, hashed);
    assert_eq!(two.claim_task().await.expect("answered"), None, "a hash is no name");
    // A file whose hash is not computed yet counts by its name.
    two.set_abilities(1, files(&["cccc"], &["plain"]));
    assert_eq!(claim(&two).await.task.id, unhashed);
    two.set_abilities(1, files(&[], &["gone"]));
    assert_eq!(claim(&two).await.task.id, other);
    // A change of what waits changes what it needs.
    let changed = with_prompt(&one, project, "gone:bbbb").await;
    two.set_abilities(1, OwnFiles::default());
    assert_eq!(two.claim_task().await.expect("answered"), None);
    let before = one.get_task(changed).await.expect("a task").parameters;
    let after = Parameters { prompt: String::new(), ..before.clone() };
    one.steer_waiting(changed, 0, &before, &after).await.expect("changed");
    assert_eq!(claim(&two).await.task.id, changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_process_leaves_tasks_of_a_newer_drawing_protocol_to_others() {
    let Some((_database, one, two, project)) = servers().await else { return };
    let newer = |of: &Parameters| if of.prompt == "new" { 2 } else { 1 };
    one.find_needs(Box::new(move |of| Needs { protocol: newer(of), files: Vec::new() }));
    let (new, old) = (with_prompt(&one, project, "new").await, with_prompt(&one, project, "old").await);
    one.set_abilities(1, OwnFiles::default());
    assert_eq!(claim(&one).await.task.id, old);
    assert_eq!(one.claim_task().await.expect("answered"), None);
    two.set_abilities(2, OwnFiles::default());
    assert_eq!(claim(&two).await.task.id, new);
}
