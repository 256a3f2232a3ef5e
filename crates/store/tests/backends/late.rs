//! What a server that starts hears of the runs of others.

use crate::runs::{Heard, servers, step};
use crate::studio::{claim, finish, new_frame};
use store::Live;

/// A server that starts while others draw would show no step until the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_hears_the_newest_step_of_each_run_after_its_start() {
    let Some((database, one, two, project)) = servers().await else { return };
    for _ in 0..3 {
        new_frame(&one, project).await;
    }
    let (open, other, silent) = (claim(&one).await, claim(&two).await, claim(&one).await);
    for n in [3, 7] {
        one.report_step(step(&open, n), None).await.expect("reported");
    }
    two.report_step(step(&other, 2), None).await.expect("reported");
    let three = database.open().await;
    let at_three = Heard::of(&three).await;
    let [here, there] = [&one, &two].map(|store| store.server_id().expect("on PostgreSQL"));
    let mut heard = at_three.take();
    heard.sort_by_key(|live| matches!(live, Live::Progress { event, .. } if event.of.task_id == other.task.id));
    let newest = |server, event| Live::Progress { server, event };
    assert_eq!(heard, [newest(here, step(&open, 7)), newest(there.clone(), step(&other, 2))], "at once");
    // What another server did while the connection was lost, too; not what is known.
    finish(&one, &silent).await;
    database.execute("UPDATE runs SET progress = replace(progress, '\"step\":7', '\"step\":8')").await;
    let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                  WHERE application_name = 'emberline (events)' AND datname = current_database()";
    assert_eq!(database.number(killed).await, 1);
    let heard = at_three.next().await;
    let of_open = |live: &Live| matches!(live, Live::Progress { event, .. } if event.of.task_id == open.task.id && event.step == 8);
    assert!(heard.len() == 1 && of_open(&heard[0]), "{heard:?}");
}
