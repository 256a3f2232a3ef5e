//! What each module must not use, checked against the source files: the pairs of [`super::rules`], and no cycles.

use super::{
    cycles::{self, Edge},
    rules::{KnownCycle, Rule},
    sources::{self, Crate, ModulePath, Reference},
};
use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use std::collections::{BTreeMap, BTreeSet};

/// Every crate of the workspace with its modules, from its `src` folder.
pub fn read(metadata: &Metadata) -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().context("a manifest is in no folder")?.join("src");
        let files = sources::files(folder.as_std_path())?;
        let root = ["lib.rs", "main.rs"].into_iter().find(|root| files.contains_key(root.as_ref() as &std::path::Path));
        crates.push(Crate::read(&package.name, &files, root.context("a crate has no lib.rs and no main.rs")?)?);
    }
    Ok(crates)
}

/// What was checked, in one line.
pub fn summary(crates: &[Crate]) -> String {
    let modules: usize = crates.iter().map(|one| one.modules.len()).sum();
    let references: usize = crates.iter().map(|one| one.references.len()).sum();
    let pairs: usize = super::rules::RULES.iter().map(|rule| rule.never.len()).sum();
    let known = super::rules::KNOWN_CYCLES.len();
    format!("{modules}, {references} references, {pairs} forbidden pairs, {known} edges of known cycles")
}

/// One line for each broken rule and each cycle, with the files and lines that make it.
pub fn faults(crates: &[Crate], rules: &[Rule], known: &[KnownCycle]) -> Vec<String> {
    let mut faults = unknown_names(crates, rules, known);
    for of in crates {
        for rule in rules.iter().filter(|rule| rule.in_crate == of.name) {
            for never in rule.never {
                let (from, to) = (path(rule.module), path(never));
                let breaks = |one: &&Reference| one.from.starts_with(&from) && one.to.starts_with(&to);
                let found: Vec<_> = of.references.iter().filter(breaks).collect();
                if !found.is_empty() {
                    faults.push(format!("{}: {} must not use {never}: {}", of.name, rule.module, places(&found)));
                }
            }
        }
        faults.extend(cycle_faults(of, known));
    }
    faults
}

/// The names in the tables that are no crate or no module.
fn unknown_names(crates: &[Crate], rules: &[Rule], known: &[KnownCycle]) -> Vec<String> {
    let in_rules = rules.iter().flat_map(|rule| {
        let modules = [rule.module].into_iter().chain(rule.never.iter().copied());
        modules.map(|module| (rule.in_crate, module))
    });
    let in_cycles = known.iter().flat_map(|edge| [(edge.in_crate, edge.from), (edge.in_crate, edge.to)]);
    let is_unknown = |(in_crate, module): &(&str, &str)| {
        !crates.iter().any(|of| of.name == *in_crate && of.modules.contains(&path(module)))
    };
    let unknown: BTreeSet<_> = in_rules.chain(in_cycles).filter(is_unknown).collect();
    let shown = |(in_crate, module)| {
        format!("{in_crate} has no module {module}: change the tables in xtask/src/layers/rules.rs")
    };
    unknown.into_iter().map(shown).collect()
}

/// The cycles that are left without the known edges, and the known edges that are in no cycle.
fn cycle_faults(of: &Crate, known: &[KnownCycle]) -> Vec<String> {
    let edges = cycles::edges(of);
    let known: Vec<Edge> =
        known.iter().filter(|edge| edge.in_crate == of.name).map(|edge| (path(edge.from), path(edge.to))).collect();
    let allowed: BTreeMap<_, _> = edges.iter().filter(|(edge, _)| !known.contains(edge)).collect();
    let mut faults = Vec::new();
    for cycle in cycles::cycles(allowed.keys().copied()) {
        let is_inside = |(from, to): &Edge| cycle.contains(from) && cycle.contains(to);
        let inside = allowed.iter().filter(|(edge, _)| is_inside(edge));
        let lines = inside
            .map(|((from, to), found)| format!("\n    {} -> {}: {}", from.join("::"), to.join("::"), places(found)));
        let names: Vec<_> = cycle.iter().map(|module| module.join("::")).collect();
        faults.push(format!("{}: cycle between {}{}", of.name, names.join(", "), lines.collect::<String>()));
    }
    for edge in &known {
        let with_it = allowed.keys().copied().chain(edges.contains_key(edge).then_some(edge));
        let needs_it = cycles::cycles(with_it).iter().any(|cycle| cycle.contains(&edge.0) && cycle.contains(&edge.1));
        if !needs_it && path_exists(of, edge) {
            let (from, to) = (edge.0.join("::"), edge.1.join("::"));
            faults.push(format!("{}: {from} -> {to} closes no cycle: remove it from KNOWN_CYCLES", of.name));
        }
    }
    faults
}

/// Otherwise [`unknown_names`] says what is wrong.
fn path_exists(of: &Crate, (from, to): &Edge) -> bool {
    of.modules.contains(from) && of.modules.contains(to)
}

fn path(module: &str) -> ModulePath {
    module.split("::").map(str::to_owned).collect()
}

/// `src/a.rs:1, 7; src/b.rs:2`.
fn places(references: &[&Reference]) -> String {
    let mut lines = BTreeMap::<_, BTreeSet<usize>>::new();
    for reference in references {
        lines.entry(reference.file.display().to_string()).or_default().insert(reference.line);
    }
    let shown = lines.into_iter().map(|(file, lines)| {
        let lines: Vec<_> = lines.into_iter().map(|line| line.to_string()).collect();
        format!("src/{file}:{}", lines.join(", "))
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{super::rules, super::sources::tests::sample, *};
    use crate::workspace::Workspace;

    const RULE: Rule = Rule { in_crate: "sample", module: "a", never: &["b::inner"] };
    const EDGE: KnownCycle = KnownCycle { in_crate: "sample", from: "a", to: "b" };

    /// `a` uses what `in_a` says, `b` uses what `in_b` says.
    fn with(in_a: &str, in_b: &str) -> [Crate; 1] {
        let root = "mod a; mod b;";
        let b = format!("pub mod inner {{}} {in_b}");
        [sample(&[("lib.rs", root), ("a/mod.rs", "mod deep;"), ("a/deep.rs", in_a), ("b.rs", &b)])]
    }

    #[test]
    fn this_workspace_keeps_its_rules() {
        let metadata = Workspace::find().and_then(|workspace| workspace.metadata()).expect("cargo metadata");
        let crates = read(&metadata).expect("the sources");
        assert_eq!(faults(&crates, rules::RULES, rules::KNOWN_CYCLES), Vec::<String>::new());
        // An empty list would also come from sources in which nothing was found.
        let xtask = crates.iter().find(|of| of.name == "xtask").expect("xtask");
        let here = |one: &Reference| one.from == path("layers::modules") && one.to == path("layers::rules");
        assert!(xtask.references.iter().any(here));
    }

    #[test]
    fn a_broken_rule_is_found_with_its_line() {
        assert_eq!(faults(&with("use crate::b::Other;", ""), &[RULE], &[]), Vec::<String>::new());
        let found = faults(&with("\nuse crate::b::{Other, inner::Thing};", ""), &[RULE], &[]);
        assert_eq!(found, ["sample: a must not use b::inner: src/a/deep.rs:2"]);
    }

    #[test]
    fn a_cycle_is_found_with_its_lines_unless_it_is_known() {
        let crates = with("use crate::b::B;", "\nuse crate::a::A;");
        let cycle = "sample: cycle between a, b\n    a -> b: src/a/deep.rs:1\n    b -> a: src/b.rs:2";
        assert_eq!(faults(&crates, &[], &[]), [cycle]);
        assert_eq!(faults(&crates, &[], &[EDGE]), Vec::<String>::new());
    }

    #[test]
    fn a_known_cycle_that_is_gone_is_a_fault() {
        let expected = ["sample: a -> b closes no cycle: remove it from KNOWN_CYCLES"];
        assert_eq!(faults(&with("use crate::b::B;", ""), &[], &[EDGE]), expected);
        assert_eq!(faults(&with("", "use crate::a::A;"), &[], &[EDGE]), expected);
    }

    #[test]
    fn a_rule_for_a_module_that_is_gone_is_a_fault() {
        let rule = Rule { module: "gone", ..RULE };
        let elsewhere = Rule { in_crate: "other", ..RULE };
        let found = faults(&with("", ""), &[rule, elsewhere], &[]);
        let unknown = |name| format!("{name}: change the tables in xtask/src/layers/rules.rs");
        let names = ["other has no module a", "other has no module b::inner", "sample has no module gone"];
        assert_eq!(found, names.map(unknown));
    }
}
