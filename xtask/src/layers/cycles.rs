//! Cycles between the modules of one crate.
//!
//! Modules are compared with their siblings at every level: a reference from `a::b` to `c::d` is one from `a` to `c`,
//! and a reference from `a::b` to `a::c` is one from `b` to `c` below `a`. Parents and children are one unit.

use super::sources::{Crate, ModulePath, Reference};
use std::collections::{BTreeMap, BTreeSet};

/// From one module to a sibling.
pub type Edge = (ModulePath, ModulePath);

/// The references between siblings, at every level.
pub fn edges(of: &Crate) -> BTreeMap<Edge, Vec<&Reference>> {
    let mut edges = BTreeMap::<Edge, Vec<&Reference>>::new();
    for reference in &of.references {
        let (from, to) = (&reference.from, &reference.to);
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if common < from.len().min(to.len()) {
            edges.entry((from[..=common].to_vec(), to[..=common].to_vec())).or_default().push(reference);
        }
    }
    edges
}

/// The sets of modules in which each one reaches every other one (strongly connected components of two or more).
pub fn cycles<'a>(edges: impl IntoIterator<Item = &'a Edge> + Clone) -> Vec<BTreeSet<&'a ModulePath>> {
    let mut next = BTreeMap::<&ModulePath, Vec<&ModulePath>>::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<_, _> = next.keys().map(|&from| (from, reached(&next, from))).collect();
    let mut found = BTreeSet::new();
    for (from, theirs) in &reached {
        let back = |to: &&ModulePath| reached.get(*to).is_some_and(|others| others.contains(from));
        let cycle: BTreeSet<_> = theirs.iter().copied().filter(back).collect();
        if cycle.len() > 1 {
            found.insert(cycle);
        }
    }
    found.into_iter().collect()
}

/// Every module that a path of one edge or more leads to.
fn reached<'a>(next: &BTreeMap<&'a ModulePath, Vec<&'a ModulePath>>, from: &'a ModulePath) -> BTreeSet<&'a ModulePath> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(at) = waiting.pop() {
        for &to in next.get(at).into_iter().flatten() {
            if found.insert(to) {
                waiting.push(to);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::sources::tests::sample, *};

    fn cycles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sample = sample(files);
        let edges = edges(&sample);
        let shown = |cycle: BTreeSet<&ModulePath>| cycle.into_iter().map(|module| module.join("::")).collect();
        cycles(edges.keys()).into_iter().map(shown).collect()
    }

    #[test]
    fn a_chain_is_no_cycle_and_one_more_import_makes_it_one() {
        let mut files = vec![
            ("lib.rs", "mod a; mod b; mod c; pub use c::C;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::C;"),
            ("c.rs", ""),
        ];
        assert_eq!(cycles_of(&files), Vec::<Vec<String>>::new());
        files[3].1 = "fn f() { crate::a::g() }";
        assert_eq!(cycles_of(&files), [["a", "b", "c"]]);
    }

    #[test]
    fn a_cycle_below_one_module_is_found_and_parents_with_their_children_are_none() {
        let files = [
            ("lib.rs", "mod a; use a::A;"),
            ("a/mod.rs", "mod b; mod c; pub use b::B; pub struct A;"),
            ("a/b.rs", "use super::{A, c::C}; pub struct B;"),
            ("a/c.rs", "use super::b::B; pub struct C;"),
        ];
        assert_eq!(cycles_of(&files), [["a::b", "a::c"]]);
    }
}
