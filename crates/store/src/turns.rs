//! Projects take turns in the queue.

use crate::tasks::FullRow;
use protocol::TaskStatus;
use std::collections::HashMap;

/// Running tasks, then waiting ones in the order in which they are claimed when projects take turns: the k-th waiting task of
/// a project comes after as many rounds as the project has tasks before it, running ones included; overnight tasks come last.
/// `rows` are in the queue's order. Claims compute the same in the database.
pub(crate) fn in_turns(rows: Vec<FullRow>) -> Vec<FullRow> {
    let mut before: HashMap<i64, u64> = HashMap::new();
    let (running, waiting): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(task, _)| task.status == TaskStatus::Running.as_str());
    for (task, _) in &running {
        *before.entry(task.project_id).or_default() += 1;
    }
    let mut waiting: Vec<(u64, FullRow)> = waiting
        .into_iter()
        .map(|row| {
            let turn = before.entry(row.0.project_id).or_default();
            *turn += 1;
            (*turn, row)
        })
        .collect();
    // Stable: within a turn the queue's order stays.
    waiting.sort_by_key(|(turn, (task, _))| (task.overnight, *turn));
    running.into_iter().chain(waiting.into_iter().map(|(_, row)| row)).collect()
}
