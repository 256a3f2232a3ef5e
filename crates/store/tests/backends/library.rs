//! Files of the library.

use crate::database::Database;
use crate::on_both;
use store::rows::LibraryFileRow;

on_both![facts_are_replaced_and_marks_stay];

fn row(id: &str) -> LibraryFileRow {
    LibraryFileRow {
        id: format!("{id:0>16}"),
        folder: "/models".into(),
        file: "loras/a.safetensors".into(),
        bytes: 5_000_000_001,
        modified_ms: 5_000_000_002,
        facts: Some("{}".into()),
        sha256: Some("a".repeat(64)),
        tensors_sha256: None,
        favourite: false,
        distillation: None,
        title: None,
    }
}

async fn facts_are_replaced_and_marks_stay(database: &Database) {
    let store = database.open().await;
    store.put_library_files(vec![row("1"), row("2")]).await.expect("kept");
    let marked =
        LibraryFileRow { favourite: true, distillation: Some("lcm".into()), title: Some("A".into()), ..row("1") };
    store.mark_library_file(marked.clone()).await.expect("marked");
    let read = LibraryFileRow { bytes: 7, facts: None, sha256: None, tensors_sha256: Some("b".repeat(64)), ..row("1") };
    store.put_library_files(vec![read.clone()]).await.expect("read again");
    let mut rows = store.library_files().await.expect("listed");
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let expected = LibraryFileRow {
        favourite: true,
        distillation: marked.distillation.clone(),
        title: marked.title.clone(),
        ..read
    };
    assert_eq!(rows, [expected, row("2")]);
    let bad = LibraryFileRow { sha256: Some("short".into()), ..row("3") };
    store.put_library_files(vec![bad]).await.expect_err("no hash");
    assert_eq!(store.library_files().await.expect("listed").len(), 2);
}
