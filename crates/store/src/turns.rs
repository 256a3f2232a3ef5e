//! Projects take turns in the queue.

use crate::tasks::FullRow;
use protocol::TaskStatus;
use std::collections::HashMap;

/// A waiting task, as far as its turn depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Its project.
    pub project: i64,
    /// Whether it waits until no other task does.
    pub overnight: bool,
}

/// The order in which waiting tasks are claimed when projects take turns: the k-th waiting task of a project comes after as many
/// rounds as the project has tasks before it, running ones included; overnight tasks come last. `running` are the projects of
/// running tasks, `waiting` is in the queue's order. Returns indices of `waiting`.
///
/// Claims on PostgreSQL compute the same in the database; the store's tests compare the two. The example `simulate` shows what it
/// does to waiting times.
pub fn turns(running: impl IntoIterator<Item = i64>, waiting: &[Waits]) -> Vec<usize> {
    let mut before: HashMap<i64, u64> = HashMap::new();
    for project in running {
        *before.entry(project).or_default() += 1;
    }
    // A project's overnight tasks come after its others.
    let (overnight, others): (Vec<_>, Vec<_>) = (0..waiting.len()).partition(|index| waiting[*index].overnight);
    let with_turn = |index: usize| {
        let Waits { project, overnight } = waiting[index];
        let turn = before.entry(project).or_default();
        *turn += 1;
        (overnight, *turn, index)
    };
    let mut order: Vec<(bool, u64, usize)> = others.into_iter().chain(overnight).map(with_turn).collect();
    // Within a turn the queue's order stays.
    order.sort_unstable();
    order.into_iter().map(|(.., index)| index).collect()
}

/// Running tasks, then waiting ones in the order of [`turns`], then paused ones. `rows` are in the queue's order.
pub(crate) fn in_turns(rows: Vec<FullRow>) -> Vec<FullRow> {
    let is_running = |(task, _): &FullRow| task.status == TaskStatus::Running.as_str();
    let (mut listed, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_running);
    let (paused, waiting): (Vec<_>, Vec<_>) = others.into_iter().partition(|(task, _)| task.paused);
    let waits = |(task, _): &FullRow| Waits { project: task.project_id, overnight: task.overnight };
    let order = turns(listed.iter().map(|(task, _)| task.project_id), &waiting.iter().map(waits).collect::<Vec<_>>());
    let mut waiting: Vec<Option<FullRow>> = waiting.into_iter().map(Some).collect();
    listed.extend(order.into_iter().filter_map(|index| waiting[index].take()));
    listed.extend(paused);
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_comes_before_the_second_task_of_others_and_overnight_tasks_last() {
        let waits = |project, overnight| Waits { project, overnight };
        let waiting = [waits(1, true), waits(1, false), waits(1, false), waits(2, false), waits(3, false)];
        assert_eq!(turns([], &waiting), [1, 3, 4, 2, 0], "the overnight task is the first");
        assert_eq!(turns([2, 2, 3], &waiting[1..]), [0, 1, 3, 2], "running tasks count");
        assert_eq!(turns([1], &[]), [0; 0]);
    }
}
