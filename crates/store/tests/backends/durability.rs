//! What was acknowledged stays.

use crate::database::{Database, create};
use crate::on_both;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use store::Store;

on_both![data_survives_a_reopening, what_was_acknowledged_survives_kill_9];

/// The address of the database, for the child that is killed.
const URL_VARIABLE: &str = "STORE_TEST_URL_TO_FILL";

async fn data_survives_a_reopening(database: &Database) {
    let store = database.open().await;
    let made = create(&store, "Storm 🔥").await;
    let deleted = create(&store, "deleted").await;
    store.delete_project(deleted.id).await.expect("deleted");
    let before = store.list_projects().await.expect("the list");
    store.close().await.expect("closed");
    if let Some(folder) = &database.folder {
        let names: Vec<_> =
            std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["emberline.sqlite"], "after a clean end the file is all there is");
    }
    let store = database.open().await;
    assert_eq!(store.list_projects().await.expect("the list"), before);
    assert_eq!(store.project(made.id).await.expect("one"), made);
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
    let kept: BTreeSet<_> = store.list_projects().await.expect("the list").into_iter().map(|p| p.id.0).collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Not a test: the program that the test above kills. Makes projects and says the id of each once it is made.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by what_was_acknowledged_survives_kill_9, which kills it"]
async fn fill_until_killed() {
    let Ok(url) = std::env::var(URL_VARIABLE) else { return };
    let store = Store::open(&url).await.expect("the database opens");
    let writer = async |store: Store| {
        loop {
            let id = create(&store, "acknowledged").await.id;
            // One write of one line; a closed pipe means that the parent is gone.
            if std::io::stdout().write_all(format!("made {id}\n").as_bytes()).is_err() {
                return;
            }
        }
    };
    // More writers than one, so that some commit while others are acknowledged.
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(writer(store.clone()))).collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
}
