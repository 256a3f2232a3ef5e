//! Acknowledged changes survive a crash.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{finish, new_frame, timeline};
use protocol::{ProjectId, TaskId, TaskStatus};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use store::Store;

on_both![
    data_survives_a_reopening,
    what_was_acknowledged_survives_kill_9,
    pictures_that_were_acknowledged_survive_kill_9,
];

/// The address of the database, for the child that is killed.
const URL_VARIABLE: &str = "STORE_TEST_URL_TO_FILL";
/// The project that it generates in.
const PROJECT_VARIABLE: &str = "STORE_TEST_PROJECT_TO_FILL";

async fn data_survives_a_reopening(database: &Database) {
    let store = database.open().await;
    let made = create(&store, "Storm 🔥").await;
    let deleted = create(&store, "deleted").await;
    store.delete_project(deleted.id).await.expect("deleted");
    let before = store.all_projects().await.expect("the list");
    store.close().await.expect("closed");
    if let Some(folder) = &database.folder {
        let names: Vec<_> =
            std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["emberline.sqlite"], "after a clean end the file is all there is");
    }
    let store = database.open().await;
    assert_eq!(store.all_projects().await.expect("the list"), before);
    assert_eq!(store.get_project(made.id).await.expect("one"), made);
    assert_eq!(store.restore_project(deleted.id).await.expect("restored"), deleted);
}

async fn what_was_acknowledged_survives_kill_9(database: &Database) {
    let mut acknowledged = BTreeSet::new();
    for kill in 1..=4 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "durability::fill_until_killed", "--ignored", "--nocapture"])
            .env(URL_VARIABLE, &database.url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let ids = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("made ")?.parse::<i64>().ok());
        acknowledged.extend(ids.take(25 * kill));
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    assert_eq!(acknowledged.len(), 25 * (1 + 2 + 3 + 4));
    let store = database.open().await;
    let kept: BTreeSet<_> = store.all_projects().await.expect("the list").into_iter().map(|p| p.id.0).collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Not a test: the program that the test above kills. Creates projects and prints each id after its commit.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by what_was_acknowledged_survives_kill_9, which kills it"]
async fn fill_until_killed() {
    let Ok(url) = std::env::var(URL_VARIABLE) else { return };
    let store = Store::open(&url).await.expect("the database opens");
    let writer = async |store: Store| {
        loop {
            let id = create(&store, "acknowledged").await.id;
            // One write for each line. A closed pipe means that the parent has ended.
            if std::io::stdout().write_all(format!("made {id}\n").as_bytes()).is_err() {
                return;
            }
        }
    };
    // Several writers, so that some commit while others are acknowledged.
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writer(store.clone()))).collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
}

async fn pictures_that_were_acknowledged_survive_kill_9(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let (mut queued, mut completed) = (BTreeSet::new(), BTreeSet::new());
    for kill in 1..=4 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "durability::generate_until_killed", "--ignored", "--nocapture"])
            .env(URL_VARIABLE, &database.url)
            .env(PROJECT_VARIABLE, project.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        for line in lines.map_while(Result::ok).filter(|line| line.contains(" task ")).take(20 * kill) {
            let id: i64 = line.rsplit(' ').next().expect("an id").parse().expect("a number");
            if line.starts_with("completed") {
                completed.insert(id)
            } else {
                queued.insert(id)
            };
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // PostgreSQL notices the end a moment later; open transactions are committed or rolled back by then.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        for open in store.interrupted_tasks().await.expect("interrupted") {
            let _ = store.requeue_task(open.task.id).await;
        }
        let frames = timeline(&store, project).await;
        assert!(frames.len() >= queued.len(), "a frame for each acknowledged task");
    }
    assert!(completed.len() > 20 && queued.len() > 20, "{} completed, {} queued", completed.len(), queued.len());
    for id in queued.union(&completed) {
        let task = store.get_task(TaskId(*id)).await.expect("acknowledged");
        let take = store.get_take(task.take_id.expect("its take")).await.expect("a row").take;
        if completed.contains(id) {
            assert_eq!((task.status, take.selected, take.finished_step), (TaskStatus::Completed, true, Some(30)));
        }
        assert_eq!(store.get_frame(task.frame_id).await.expect("its frame").path, take.path);
    }
}

/// Not a test: the program that the test above kills. Creates frames, finishes their pictures and prints them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by pictures_that_were_acknowledged_survive_kill_9, which kills it"]
async fn generate_until_killed() {
    let (Ok(url), Ok(project)) = (std::env::var(URL_VARIABLE), std::env::var(PROJECT_VARIABLE)) else { return };
    let store = Store::open(&url).await.expect("the database opens");
    let project = ProjectId(project.parse().expect("an id"));
    let workers: Vec<_> = (0..4).map(|_| tokio::spawn(keep_generating(store.clone(), project))).collect();
    for worker in workers {
        worker.await.expect("a worker");
    }
}

async fn keep_generating(store: Store, project: ProjectId) {
    // One write for each line. A closed pipe means that the parent has ended.
    let say = |what: &str, id: TaskId| std::io::stdout().write_all(format!("{what} task {id}\n").as_bytes()).is_ok();
    loop {
        let (_, task) = new_frame(&store, project).await;
        if !say("queued", task.id) {
            return;
        }
        let Some(open) = store.claim_task().await.expect("an answer") else { continue };
        if !say("completed", finish(&store, &open).await.task.id) {
            return;
        }
    }
}
