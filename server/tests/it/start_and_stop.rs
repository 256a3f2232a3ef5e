//! Start, stop and kill of the server, and conditions that prevent a start.

use crate::support::{TestServer, emberline, request, run};
use std::{
    net::TcpListener,
    process::Output,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

fn one_line_error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "errors go to standard error");
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("emberline: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

fn serve(arguments: &[&str]) -> Output {
    run(&[&["serve"], arguments].concat())
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut folder = tempfile::tempdir().expect("a temporary folder");
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    // Each round kills a little later. Three writers keep a transaction open most of the time.
    for round in 0..6_u64 {
        let server = TestServer::start_in(folder, &[]);
        let url = format!("{}/api/v1/projects", server.url);
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (acknowledged, url) = (Arc::clone(&acknowledged), url.clone());
                thread::spawn(move || {
                    for count in 0.. {
                        let name = format!("{round}-{writer}-{count}");
                        let body = serde_json::json!({"name": name, "width": 64, "height": 64, "fps": 1}).to_string();
                        match request(&url, "POST", &[], Some(body.as_bytes())) {
                            Ok(answer) if answer.status == 201 => acknowledged.lock().expect("no panic").push(name),
                            _ => break,
                        }
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(150 + 130 * round));
        folder = server.kill();
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    }
    let server = TestServer::start_in(folder, &[]);
    let mut names = server.names();
    let acknowledged = acknowledged.lock().expect("no panic").clone();
    assert!(acknowledged.len() > 20, "only {} projects were made: the test proves little", acknowledged.len());
    let missing: Vec<_> = acknowledged.iter().filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged are lost: {missing:?}", missing.len(), acknowledged.len());
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "no project is there twice");
}

#[test]
fn sigterm_ends_it_in_order_and_the_data_stays() {
    let server = TestServer::start();
    server.create("kept");
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "the log is quiet when all is well:\n{log}");
    assert!(!folder.path().join("data/emberline.db-wal").exists(), "the database is closed: no WAL is left");
    assert_eq!(TestServer::start_in(folder, &[]).names(), ["kept"]);
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let error = one_line_error(&serve(&["--listen", &address, "--data-dir", data.to_str().expect("UTF-8")]));
    assert!(error.contains(&address) && error.contains("--listen"), "{error}");
}

#[test]
fn a_data_folder_that_cannot_be_one_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("written");
    let error = one_line_error(&serve(&["--listen", "127.0.0.1:0", "--data-dir", file.to_str().expect("UTF-8")]));
    assert!(error.contains(file.to_str().expect("UTF-8")), "{error}");
}

#[test]
fn a_data_folder_has_one_server() {
    let server = TestServer::start();
    let data = server.data_dir();
    let error = one_line_error(&serve(&["--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("UTF-8")]));
    assert!(error.contains("another emberline"), "{error}");
    server.create("undisturbed");
}

#[test]
fn a_database_that_is_none_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("made");
    let text = "a diary, no database".repeat(100);
    std::fs::write(data.join("emberline.db"), &text).expect("written");
    let error = one_line_error(&serve(&["--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("UTF-8")]));
    assert!(error.contains("emberline.db"), "{error}");
    assert_eq!(std::fs::read_to_string(data.join("emberline.db")).expect("still there"), text);
}

#[test]
fn only_loopback_is_listened_on() {
    let error = one_line_error(&serve(&["--listen", "0.0.0.0:0"]));
    assert!(error.contains("loopback"), "{error}");
}

#[test]
fn options_come_from_the_environment_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = emberline()
        .arg("serve")
        .env("EMBERLINE_LISTEN", "0.0.0.0:0")
        .env("EMBERLINE_DATA_DIR", folder.path())
        .output()
        .expect("the binary starts");
    assert!(one_line_error(&output).contains("0.0.0.0:0"));
}

#[test]
fn wrong_arguments_end_with_status_2_and_help_with_0() {
    for arguments in [&["serve", "--listen", "nowhere"][..], &["serve", "--colour"], &["paint"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let help = run(&["serve", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert_eq!(help.status.code(), Some(0));
    for word in ["--listen", "--data-dir", "--database-url", "EMBERLINE_DATA_DIR"] {
        assert!(text.contains(word), "--help does not tell {word}");
    }
}

#[test]
fn logs_can_be_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (status, log, _) = TestServer::start_in(folder, &["--log-format", "json"]).stop();
    assert!(status.success());
    assert!(!log.is_empty());
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

/// The message names the file, so that it can be moved away.
#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    let data = tempfile::tempdir().expect("a folder");
    let start =
        || one_line_error(&serve(&["--listen", "127.0.0.1:0", "--data-dir", &data.path().display().to_string()]));
    let exports = data.path().join("exports");
    std::fs::write(&exports, "").expect("written");
    assert!(start().contains(&exports.display().to_string()), "{}", start());
    std::fs::remove_file(exports).expect("removed");
    let mark = data.path().join("emberline.running");
    std::fs::create_dir(&mark).expect("made");
    assert!(start().contains(&mark.display().to_string()), "{}", start());
}
