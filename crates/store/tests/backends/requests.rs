//! Requests about a run that another server makes.

use crate::runs::{Heard, renew, run_of, servers};
use crate::studio::{claim, conflict, new_frame};
use protocol::{TaskId, TrackChange};
use std::time::Duration;
use store::{Asked, Live, RequestState, RunRequest, Store};

async fn ask(by: &Store, task: TaskId, request: &RunRequest) -> i64 {
    by.ask_run(task, request).await.expect("asked").expect("it runs")
}

async fn state(by: &Store, request: i64) -> RequestState {
    by.request_state(request).await.expect("answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_server_of_the_run_until_it_is_done() {
    let Some((database, one, two, project)) = servers().await else { return };
    let at_one = Heard::of(&one).await;
    let (_, task) = new_frame(&one, project).await;
    assert_eq!(two.ask_run(task.id, &RunRequest::Pause).await.expect("answered"), None, "it waits");
    let open = claim(&one).await;
    let run = run_of(&open);
    let change = TrackChange { prompt: Some("it's \"blue\"".into()), cfg_scale: Some(0.1), ..TrackChange::default() };
    let pause = ask(&two, task.id, &RunRequest::Pause).await;
    assert_eq!(at_one.next().await, [Live::Asked(run)]);
    let changes = ask(&two, task.id, &RunRequest::Change(change.clone())).await;
    let asked = |id, request| Asked { id, run, request };
    let both = [asked(pause, RunRequest::Pause), asked(changes, RunRequest::Change(change))];
    for _ in 0..2 {
        assert_eq!(renew(&one, &[run]).await.asked, both, "also if the message is lost");
    }
    assert_eq!(renew(&two, &[run]).await.asked, [], "it is not its run");
    // What is not recorded is not done.
    let parameters = &open.task.parameters;
    conflict(one.steer_attempt(task.id, 2, 3, parameters, &[changes]).await);
    assert_eq!(state(&two, changes).await, RequestState::Pending);
    one.steer_attempt(task.id, 1, 3, parameters, &[changes]).await.expect("recorded");
    assert_eq!(renew(&one, &[run]).await.asked, both[..1], "it is done");
    assert_eq!(state(&two, changes).await, RequestState::Done);
    assert_eq!(state(&two, changes).await, RequestState::Over, "it is forgotten");
    one.requests_done(&[]).await.expect("nothing to do");
    let unpause = ask(&one, task.id, &RunRequest::Unpause).await;
    one.requests_done(&[unpause]).await.expect("recorded");
    assert_eq!([state(&two, unpause).await, state(&two, pause).await], [RequestState::Done, RequestState::Pending]);
    // One that is done outlives the run, for the server that asked.
    let last = ask(&two, task.id, &RunRequest::Change(TrackChange::default())).await;
    one.steer_attempt(task.id, 1, 4, parameters, &[last]).await.expect("recorded");
    one.pause_attempt(task.id, 1, 4).await.expect("paused");
    assert_eq!([state(&two, pause).await, state(&two, last).await], [RequestState::Over, RequestState::Done]);
    assert_eq!(database.number("SELECT count(*) FROM run_requests").await, 0);
}

/// Without the lock the request would stay, and the one who asked would wait for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_run_that_is_ending_is_not_left_over() {
    let Some((database, one, two, project)) = servers().await else { return };
    new_frame(&one, project).await;
    let run = run_of(&claim(&one).await);
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.expect("connected");
    tokio::spawn(connection);
    let end = format!("BEGIN; UPDATE tasks SET status = 'queued' WHERE id = {}", run.task);
    client.batch_execute(&end).await.expect("about to end");
    let asked = tokio::spawn(async move { two.ask_run(run.task, &RunRequest::Pause).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished(), "it waits for the end");
    client.batch_execute("COMMIT").await.expect("ended");
    assert_eq!(asked.await.expect("no panic").expect("answered"), None);
    assert_eq!(database.number("SELECT count(*) FROM run_requests").await, 0);
}
