//! Guarantees for styles.

use crate::database::Database;
use crate::on_both;
use protocol::{NewStyle, Style, StyleId, StylePatch};
use std::time::Duration;
use store::{Store, StoreError};

on_both![a_style_is_changed_deleted_and_restored, a_name_is_used_once, an_import_replaces_by_name];

fn new(name: &str, prompt: &str) -> NewStyle {
    NewStyle { name: name.into(), prompt: prompt.into(), negative_prompt: format!("not {prompt}") }
}

async fn names(store: &Store) -> Vec<String> {
    store.list_styles().await.expect("the list").into_iter().map(|style| style.name).collect()
}

async fn a_style_is_changed_deleted_and_restored(database: &Database) {
    let store = database.open().await;
    let oil = store.create_style(new("Oil", "oil painting")).await.expect("made");
    store.create_style(new("Ink", "ink")).await.expect("made");
    assert_eq!(names(&store).await, ["Ink", "Oil"]);
    let patch = StylePatch { prompt: Some("thick oil".into()), ..StylePatch::default() };
    let changed = store.update_style(oil.id, patch).await.expect("changed");
    assert_eq!(changed, Style { prompt: "thick oil".into(), ..oil.clone() });
    assert_eq!(store.update_style(oil.id, StylePatch::default()).await.expect("unchanged"), changed);
    assert_eq!(store.delete_style(oil.id).await.expect("deleted"), changed);
    assert_eq!(names(&store).await, ["Ink"]);
    for missing in [
        store.delete_style(oil.id).await,
        store.update_style(oil.id, StylePatch::default()).await,
        store.update_style(oil.id, StylePatch { name: Some("x".into()), ..StylePatch::default() }).await,
        store.restore_style(StyleId(999)).await,
    ] {
        assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    }
    assert_eq!(store.restore_style(oil.id).await.expect("restored"), changed);
    assert_eq!(store.purge_styles(Duration::ZERO).await.expect("purged"), 0);
    store.delete_style(oil.id).await.expect("deleted");
    assert_eq!(store.purge_styles(Duration::from_secs(60)).await.expect("purged"), 0);
    assert_eq!(store.purge_styles(Duration::ZERO).await.expect("purged"), 1);
    assert!(store.restore_style(oil.id).await.is_err());
}

async fn a_name_is_used_once(database: &Database) {
    let store = database.open().await;
    let first = store.create_style(new("Oil", "a")).await.expect("made");
    let other = store.create_style(new("Ink", "b")).await.expect("made");
    let taken = |result: Result<Style, StoreError>| matches!(result, Err(StoreError::Invalid { field: "name", .. }));
    assert!(taken(store.create_style(new("Oil", "c")).await));
    assert!(taken(store.update_style(other.id, StylePatch { name: Some("Oil".into()), ..Default::default() }).await));
    store.delete_style(first.id).await.expect("deleted");
    store.create_style(new("Oil", "d")).await.expect("the name is free");
    assert!(taken(store.restore_style(first.id).await));
}

async fn an_import_replaces_by_name(database: &Database) {
    let store = database.open().await;
    let oil = store.create_style(new("Oil", "a")).await.expect("made");
    let imported = store.import_styles(vec![new("Oil", "b"), new("Ink", "c")]).await.expect("imported");
    assert_eq!((imported[0].id, imported[0].prompt.as_str()), (oil.id, "b"));
    assert_eq!(names(&store).await, ["Ink", "Oil"]);
}
