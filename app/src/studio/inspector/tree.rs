//! The takes of a frame as the tree that branches make of them. Pure.

use protocol::{Take, TakeId};
use std::collections::BTreeMap;

/// A take's place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its index in the list of takes.
    pub index: usize,
    /// Number of branches between it and a take that is none.
    pub depth: u32,
    /// The depths, as bits, of this take and those above it that have a later sibling: lines go on past this row.
    pub rails: u32,
}

/// Every take once, each before the takes that branch from it. Siblings stay in the list's order.
///
/// A branch whose take is not in the list is a root, and so is one of a take with a higher id: ids grow with time, so only a
/// damaged record has that.
pub fn nodes(takes: &[Take]) -> Vec<Node> {
    let places: BTreeMap<TakeId, usize> = takes.iter().enumerate().map(|(index, take)| (take.id, index)).collect();
    let (mut roots, mut branches) = (Vec::new(), vec![Vec::new(); takes.len()]);
    // Backwards, because what is pushed last is taken first below.
    for (index, take) in takes.iter().enumerate().rev() {
        let of = take.parameters.branch_of.filter(|of| *of < take.id);
        match of.and_then(|of| places.get(&of)) {
            Some(of) => branches[*of].push(index),
            None => roots.push(Node { index, depth: 0, rails: 0 }),
        }
    }
    let (mut nodes, mut open) = (Vec::with_capacity(takes.len()), roots);
    while let Some(node) = open.pop() {
        nodes.push(node);
        let depth = node.depth + 1;
        // The first of the list is drawn last.
        open.extend(branches[node.index].iter().enumerate().map(|(later, &index)| {
            let rail = if later > 0 { 1_u32.checked_shl(depth).unwrap_or_default() } else { 0 };
            Node { index, depth, rails: node.rails | rail }
        }));
    }
    nodes
}

/// A take's number among the takes of its frame, newest first; 1 for the oldest.
pub fn number(takes: &[Take], id: TakeId) -> Option<usize> {
    takes.iter().position(|take| take.id == id).map(|place| takes.len() - place)
}

/// `Branch of take 1 at step 8`; none for a take that is no branch.
pub fn origin(takes: &[Take], take: &Take) -> Option<String> {
    let (of, step) = take.parameters.branch_of.zip(take.parameters.from_step)?;
    Some(match number(takes, of) {
        Some(number) => format!("Branch of take {number} at step {step}"),
        None => format!("Branch of another take at step {step}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::take;
    use protocol::Parameters;

    /// Takes with the ids, newest first, and the takes that they branch from at step 8; 0 for none.
    fn takes(list: &[(i64, i64)]) -> Vec<Take> {
        let take = |&(id, of): &(i64, i64)| {
            let branch_of = (of > 0).then_some(TakeId(of));
            let parameters = Parameters { branch_of, from_step: branch_of.map(|_| 8), ..take().parameters };
            Take { id: TakeId(id), parameters, ..take() }
        };
        list.iter().map(take).collect()
    }

    fn drawn(list: &[(i64, i64)]) -> Vec<(i64, u32)> {
        let takes = takes(list);
        nodes(&takes).into_iter().map(|node| (takes[node.index].id.0, node.depth)).collect()
    }

    #[test]
    fn branches_follow_their_take_and_everything_else_keeps_its_order() {
        assert_eq!(drawn(&[(9, 0), (5, 0), (2, 0)]), [(9, 0), (5, 0), (2, 0)]);
        let list = [(12, 5), (11, 9), (9, 2), (7, 2), (5, 0), (2, 0)];
        assert_eq!(drawn(&list), [(5, 0), (12, 1), (2, 0), (9, 1), (11, 2), (7, 1)]);
        assert_eq!(drawn(&[]), []);
    }

    #[test]
    fn a_line_goes_on_to_a_later_sibling() {
        let takes = takes(&[(12, 5), (11, 9), (9, 2), (7, 2), (5, 0), (2, 0)]);
        let rails = nodes(&takes).into_iter().map(|node| (takes[node.index].id.0, node.rails));
        assert_eq!(rails.collect::<Vec<_>>(), [(5, 0), (12, 0), (2, 0), (9, 0b10), (11, 0b10), (7, 0)]);
    }

    #[test]
    fn a_branch_without_its_take_is_a_root_and_no_record_makes_a_circle() {
        assert_eq!(drawn(&[(7, 3), (5, 0)]), [(7, 0), (5, 0)]);
        assert_eq!(drawn(&[(7, 5), (5, 7), (4, 4)]), [(5, 0), (7, 1), (4, 0)]);
    }

    #[test]
    fn a_branch_is_described_by_the_number_of_its_take() {
        let takes = takes(&[(9, 5), (7, 3), (5, 0)]);
        let described = |index: usize| origin(&takes, &takes[index]);
        assert_eq!(described(0).as_deref(), Some("Branch of take 1 at step 8"));
        assert_eq!(described(1).as_deref(), Some("Branch of another take at step 8"));
        assert_eq!((described(2), number(&takes, TakeId(9))), (None, Some(3)));
    }
}
