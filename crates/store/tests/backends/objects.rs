//! Finished pictures that are objects.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{claim, finish, finished_take, generate, key};
use store::{FinalPicture, FinishedTake, PicturePlaces, Showing};

on_both!(a_row_names_its_object_and_a_copy_the_same_one);

fn object(key: &str) -> FinalPicture {
    FinalPicture { etag: format!("etag-{key}"), object: Some(format!("pictures/{key}/1-etag.png")) }
}

async fn a_row_names_its_object_and_a_copy_the_same_one(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Objects").await.id;
    generate(&store, project, None, 2).await;
    let (made, of_file) = (claim(&store).await, claim(&store).await);
    assert_eq!(store.get_take(made.take_id).await.expect("a take").picture, None);
    let picture = object(&made.key);
    store.complete_task(made.task.id, 1, picture.clone(), 30).await.expect("completed");
    let take = store.get_take(made.take_id).await.expect("a take");
    assert_eq!(take.picture.as_ref(), Some(&picture));
    if let Some(showing) = store.showing(&made.key, None).await.expect("answered") {
        assert_eq!(showing, Showing::Object(picture.clone()));
    }
    let copy = store.duplicate_frame(take.take.frame_id, made.take_id, key()).await.expect("copied").remove(0);
    assert_eq!(store.get_take(copy.take_id).await.expect("a take").picture.as_ref(), Some(&picture));
    let imported = finished_take();
    let of_import = object(&imported.take.key);
    let imported = FinishedTake { picture: of_import.clone(), ..imported };
    store.import_frame(project, None, imported).await.expect("imported");
    finish(&store, &of_file).await;
    let places = store.picture_places().await.expect("counted");
    assert_eq!(places, PicturePlaces { files: 1, objects: 3 });
    let names = |pictures: &[&FinalPicture]| pictures.iter().filter_map(|of| of.object.clone()).collect::<Vec<_>>();
    let asked = [names(&[&picture, &of_import]), vec!["pictures/other/1-etag.png".to_owned()]].concat();
    let named = store.named_objects(asked.clone()).await.expect("answered");
    assert_eq!(named, names(&[&picture, &of_import]).into_iter().collect());
    // The copy keeps the object after its original is gone, and the file in the same frame with it.
    store.delete_frame(take.take.frame_id).await.expect("deleted");
    store.purge_frames(std::time::Duration::ZERO).await.expect("purged");
    assert_eq!(store.picture_places().await.expect("counted"), PicturePlaces { files: 0, objects: 2 });
    assert_eq!(store.named_objects(asked).await.expect("answered").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_at_a_time_looks_for_objects_without_a_row() {
    let Some(database) = Database::postgres().await else { return };
    let (one, two) = (database.open().await, database.open().await);
    assert!(one.begin_collection().await.expect("answered"));
    assert!(!two.begin_collection().await.expect("answered"));
    one.end_collection().await.expect("answered");
    assert!(two.begin_collection().await.expect("answered"));
}
