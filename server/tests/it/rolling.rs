//! Updating servers one after the other: tables first, and programs of two versions beside each other.

use crate::several_servers::{Place, execute, generate};
use crate::several_workers::TestWorker;
use crate::support::run;

/// Runs a command that must fail. Returns its message.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn tables_are_made_before_servers_that_do_not_make_them() {
    let Some(place) = Place::new() else { return };
    let data = tempfile::tempdir().expect("a folder");
    let data = data.path().display().to_string();
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--no-migrate", "--device", "cpu", "--data-dir", &data, "--database-url"];
    let why = refused(&[&serve[..], &[&place.url]].concat());
    assert!(why.contains("`emberline migrate`"), "{why}");
    let migrate = ["migrate", "--database-url", &place.url];
    for _ in 0..2 {
        let output = run(&migrate);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "The database is up to date\n");
    }
    assert_eq!(place.server(&["--no-migrate", "--concurrency", "0"]).get("/health/ready").status, 200);
}

/// What a newer version does to the tables, as far as this one sees it.
#[test]
fn an_older_version_starts_beside_a_newer_one_that_allows_it() {
    let Some(place) = Place::new() else { return };
    let running = place.server(&["--concurrency", "0"]);
    execute(&place, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231235959')");
    let migrate = ["migrate", "--database-url", &place.url];
    assert!(refused(&migrate).contains("from a newer version of Emberline"));
    let newest = "(SELECT max(version) FROM __diesel_schema_migrations WHERE version < '2999')";
    execute(
        &place,
        &format!(
            "INSERT INTO schema_floors (migration, floor) VALUES ('29991231235959', {newest}); \
             ALTER TABLE tasks ADD COLUMN new_in_2999 TEXT NOT NULL DEFAULT 'x'; \
             ALTER TABLE projects ADD COLUMN new_in_2999 TEXT"
        ),
    );
    assert!(run(&migrate).status.success());
    let again = place.server(&["--concurrency", "0", "--no-migrate"]);
    let worker = TestWorker::start(&place, &[]);
    let project = again.create("Beside");
    let made = generate(&running, &project, 64, 4, 1).remove(0);
    again.wait_for_task(&made["task_id"], "completed");
    drop(worker);
}
