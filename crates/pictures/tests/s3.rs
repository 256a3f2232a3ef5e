//! Against a real S3 server, through a layer that makes requests fail.

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use pictures::{ObjectError, ObjectUrl, Objects, Opened, Pictures, etag_of, picture_object};
use std::{
    io::Read,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use test_s3::{Fault, TestS3};

const KEY: &str = "0123456789abcdef0123456789abcdef";

struct Place {
    s3: TestS3,
    cache: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { s3: TestS3::start(), cache: tempfile::tempdir().expect("a folder") }
    }

    fn objects(&self) -> Objects {
        let url: ObjectUrl = self.s3.url().parse().expect("an address");
        Objects::open(&url, self.s3.variables()).expect("opens")
    }

    fn pictures(&self) -> Pictures {
        Pictures::open(self.objects(), self.cache.path()).expect("opens")
    }
}

fn picture(n: u8) -> (String, String, Bytes) {
    let png = Bytes::from(vec![n; 100_000]);
    let etag = etag_of(&png);
    (picture_object(KEY, 1, &etag), etag, png)
}

fn bytes_of(opened: Opened) -> Vec<u8> {
    match opened {
        Opened::File(mut file, length) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("read");
            assert_eq!(bytes.len() as u64, length);
            bytes
        }
        Opened::Memory(bytes) => bytes.to_vec(),
    }
}

#[tokio::test]
async fn what_is_put_is_got_listed_and_deleted() {
    let place = Place::new();
    let objects = place.objects();
    let (name, etag, png) = picture(1);
    assert!(matches!(objects.get(&name, &etag).await, Err(ObjectError::Missing { .. })));
    objects.put(&name, png.clone()).await.expect("put");
    objects.put(&name, png.clone()).await.expect("put again");
    objects.put("media.id", Bytes::from_static(b"an identity")).await.expect("put");
    assert_eq!(objects.get(&name, &etag).await.expect("got"), png);
    assert_eq!(objects.read("media.id").await.expect("read"), "an identity");
    let listed: Vec<_> = objects.list(pictures::PICTURES).map(|object| object.expect("listed")).collect().await;
    assert_eq!(
        listed.iter().map(|object| (object.name.as_str(), object.bytes)).collect::<Vec<_>>(),
        [(name.as_str(), 100_000)]
    );
    assert!(listed[0].modified.elapsed().expect("in the past") < Duration::from_secs(600));
    objects.delete(&name).await.expect("deleted");
    objects.delete(&name).await.expect("deleted twice");
    assert!(matches!(objects.get(&name, &etag).await, Err(ObjectError::Missing { .. })));
}

#[tokio::test]
async fn a_picture_is_fetched_once_however_many_ask_and_not_at_all_by_its_maker() {
    let place = Place::new();
    let (name, etag, png) = picture(2);
    place.objects().put(&name, png.clone()).await.expect("put");
    let pictures = place.pictures();
    place.s3.set_fault(Fault::Slow(Duration::from_millis(200)));
    for opened in join_all((0..20).map(|_| pictures.get(&name, &etag))).await {
        assert_eq!(bytes_of(opened.expect("opened")), png);
    }
    assert_eq!(place.s3.count("GET", &name), 1);
    let (made, of_made, png) = picture(3);
    pictures.put(&made, &of_made, png.clone()).await.expect("put");
    assert_eq!(bytes_of(pictures.get(&made, &of_made).await.expect("opened")), png);
    assert_eq!((place.s3.count("PUT", &made), place.s3.count("GET", &made)), (1, 0));
    drop(pictures);
    let again = place.pictures();
    assert_eq!(bytes_of(again.get(&name, &etag).await.expect("opened")), bytes_of(Opened::Memory(picture(2).2)));
    assert_eq!(place.s3.count("GET", &name), 1, "from the disk");
}

#[tokio::test]
async fn changed_and_cut_bytes_are_never_returned() {
    let place = Place::new();
    let pictures = place.pictures();
    let (name, etag, png) = picture(4);
    place.objects().put(&name, png.clone()).await.expect("put");
    place.s3.set_fault(Fault::Flipped);
    for _ in 0..2 {
        let error = pictures.get(&name, &etag).await.expect_err("another byte");
        assert!(matches!(&error, ObjectError::Damaged { object } if object.ends_with(&name)), "{error}");
    }
    place.s3.set_fault(Fault::Cut);
    let error = pictures.get(&name, &etag).await.expect_err("half");
    assert!(error.is_passing(), "{error}");
    place.s3.set_fault(Fault::None);
    assert_eq!(bytes_of(pictures.get(&name, &etag).await.expect("opened")), png);
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error_that_passes() {
    let place = Place::new();
    let pictures = place.pictures();
    let (kept, of_kept, png) = picture(5);
    pictures.put(&kept, &of_kept, png.clone()).await.expect("put");
    let (name, etag, other) = picture(6);
    for fault in [Fault::Fails, Fault::Away] {
        place.s3.set_fault(fault);
        let began = Instant::now();
        let errors = [
            pictures.get(&name, &etag).await.map(drop).expect_err("away"),
            pictures.objects().put(&name, other.clone()).await.expect_err("away"),
        ];
        assert!(errors.iter().all(|error| matches!(error, ObjectError::Away { .. })), "{fault:?}: {errors:?}");
        assert!(errors.iter().all(|error| error.to_string().contains(&name)), "{errors:?}");
        assert!(began.elapsed() < Duration::from_secs(30) && pictures.objects().is_away());
        assert_eq!(bytes_of(pictures.get(&kept, &of_kept).await.expect("cached")), png, "{fault:?}");
    }
    // One failure in three is not noticed.
    place.s3.set_fault(Fault::FailsSometimes);
    for n in 10..20 {
        let (name, _, png) = picture(n);
        pictures.objects().put(&name, png).await.expect("put");
    }
    assert!(!pictures.objects().is_away());
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_no_secret_is_shown() {
    let place = Place::new();
    if place.s3.file("x").is_none() {
        return;
    }
    let url: ObjectUrl = place.s3.url().parse().expect("an address");
    let wrong = place.s3.variables().into_iter().map(|(name, value)| match name.as_str() {
        "AWS_SECRET_ACCESS_KEY" => (name, "a-wrong-secret".to_owned()),
        _ => (name, value),
    });
    let objects = Objects::open(&url, wrong).expect("opens");
    let error = objects.put("media.id", Bytes::from_static(b"x")).await.expect_err("refused");
    assert!(matches!(error, ObjectError::Refused { .. }), "{error:?}");
    let shown = format!("{error} {error:?} {objects:?}");
    assert!(!shown.contains("a-wrong-secret"), "{shown}");
}

#[tokio::test]
async fn one_process_uses_a_folder() {
    let place = Place::new();
    let first = place.pictures();
    let error = Pictures::open(place.objects(), place.cache.path()).expect_err("locked");
    assert!(error.to_string().contains("--cache-dir"), "{error}");
    drop(first);
    place.pictures();
}

/// A file that is larger than a part goes in parts, and comes back whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_put_and_got_in_parts() {
    let s3 = TestS3::start();
    let url: ObjectUrl = s3.url().parse().expect("an address");
    let objects = Objects::open(&url, s3.variables()).expect("opens");
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from.zip"), folder.path().join("to.zip"));
    // Two whole parts and some bytes, and two whole parts.
    for length in [(32 << 20) + 77, 32 << 20] {
        let bytes: Vec<u8> = (0..length).map(|n: usize| (n * 31 % 251) as u8).collect();
        let (etag, length) = (etag_of(&bytes), bytes.len() as u64);
        let name = pictures::export_object(length as i64, &etag, "zip");
        std::fs::write(&from, &bytes).expect("written");
        objects.put_file(&name, &from).await.expect("put");
        objects.get_file(&name, &etag, length, &to).await.expect("got");
        assert!(std::fs::read(&to).expect("a file") == bytes);
        std::fs::remove_file(&to).expect("removed");
        s3.set_fault(Fault::Flipped);
        let changed = objects.get_file(&name, &etag, length, &to).await.expect_err("other bytes");
        assert!(matches!(changed, ObjectError::Damaged { .. }), "{changed}");
        s3.set_fault(Fault::Fails);
        let away = objects.get_file(&name, &etag, length, &to).await.expect_err("away");
        assert!(away.is_passing(), "{away}");
        s3.set_fault(Fault::None);
    }
    assert!(!to.exists() && std::fs::read_dir(folder.path()).expect("read").count() == 1, "nothing is left of them");
}
