//! What each crate of the workspace must not depend on, checked against `cargo metadata`.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, Node, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// A crate of the workspace, and the crates that it must not depend on, directly or through others.
pub struct Rule {
    crate_name: &'static str,
    never: &'static [&'static str],
}

/// Every crate of the workspace needs a line here, so that someone decides its place.
pub const RULES: &[Rule] = &[
    Rule { crate_name: "protocol", never: &["tokio", "leptos", "axum", "diesel", "burn"] },
    Rule {
        crate_name: "generation",
        never: &["protocol", "tokio", "leptos", "axum", "diesel", "burn", "diffusion", "sdxl", "checkpoint"],
    },
    Rule {
        crate_name: "prompt",
        never: &["protocol", "tokio", "leptos", "axum", "diesel", "burn", "diffusion", "sdxl", "checkpoint"],
    },
    Rule { crate_name: "checkpoint", never: &["protocol", "tokio", "axum", "leptos", "diesel", "burn"] },
    Rule {
        crate_name: "huge_pages",
        never: &["protocol", "tokio", "axum", "leptos", "diesel", "burn", "checkpoint", "diffusion", "sdxl", "kernels"],
    },
    Rule {
        crate_name: "kernels",
        never: &["protocol", "tokio", "axum", "leptos", "diesel", "burn", "checkpoint", "diffusion", "sdxl"],
    },
    Rule { crate_name: "diffusion", never: &["protocol", "axum", "leptos", "diesel", "sdxl", "checkpoint"] },
    Rule { crate_name: "sdxl", never: &["protocol", "axum", "leptos", "diesel"] },
    Rule { crate_name: "upscale", never: &["protocol", "axum", "leptos", "diesel", "engine", "store"] },
    Rule { crate_name: "starter_model", never: &["protocol", "tokio", "axum", "leptos", "diesel", "burn", "clap"] },
    Rule { crate_name: "store", never: &["axum", "leptos", "burn", "sdxl", "diffusion"] },
    Rule { crate_name: "library", never: &["tokio", "axum", "leptos", "diesel", "burn", "sdxl", "engine", "store"] },
    Rule { crate_name: "engine", never: &["axum", "leptos"] },
    Rule { crate_name: "export", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule {
        crate_name: "regular_file",
        never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol", "store", "engine", "checkpoint", "sdxl"],
    },
    Rule { crate_name: "picture_file", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule {
        crate_name: "pictures",
        never: &["axum", "leptos", "diesel", "burn", "protocol", "store", "engine", "aws-lc-rs"],
    },
    Rule { crate_name: "test_pictures", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule { crate_name: "test_postgres", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule { crate_name: "test_s3", never: &["axum", "leptos", "diesel", "burn", "protocol", "store", "engine"] },
    Rule { crate_name: "png_info", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule { crate_name: "studio", never: &["tokio", "axum", "leptos", "diesel", "burn", "store", "engine"] },
    Rule { crate_name: "local_studio", never: &["axum", "leptos", "app", "clap"] },
    Rule { crate_name: "trace", never: &["tokio", "axum", "leptos", "diesel", "burn", "protocol"] },
    Rule { crate_name: "timeline", never: &["tokio", "axum", "leptos", "diesel", "burn"] },
    Rule { crate_name: "site", never: &["tokio", "axum", "leptos", "diesel", "burn"] },
    Rule {
        crate_name: "app",
        never: &["local_studio", "engine", "store", "diesel", "burn", "sdxl", "diffusion", "checkpoint"],
    },
    Rule { crate_name: "frontend", never: &["store", "diesel", "burn", "sdxl", "diffusion", "checkpoint", "axum"] },
    Rule { crate_name: "server", never: &[] },
    Rule { crate_name: "xtask", never: &[] },
    Rule { crate_name: "xtask_start", never: &["anyhow", "clap"] },
];

/// Only these may read the command line or the environment, by way of clap.
const READS_ARGUMENTS: &[&str] = &["server", "xtask"];

/// What was checked, in one line.
pub fn summary() -> String {
    let pairs: usize = RULES.iter().map(|rule| rule.never.len()).sum();
    format!("{}, {pairs} forbidden pairs, arguments read by {}", RULES.len(), READS_ARGUMENTS.join(" and "))
}

/// One line for each broken rule.
pub fn faults(metadata: &Metadata, rules: &[Rule]) -> Result<Vec<String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata has no dependency graph")?;
    let nodes: BTreeMap<&PackageId, &Node> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id: &PackageId| metadata[id].name.as_str();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(rule) = rules.iter().find(|rule| rule.crate_name == package.name.as_str()) else {
            faults.push(format!("{} has no line in the table of layers (xtask/src/layers/crates.rs)", package.name));
            continue;
        };
        for (id, path) in reached(&nodes, &package.id) {
            if rule.never.contains(&name(id)) {
                let path: Vec<_> = path.into_iter().map(name).collect();
                faults.push(format!("{} must not depend on {}: {}", rule.crate_name, name(id), path.join(" > ")));
            }
        }
        let reads = package.dependencies.iter().any(|dependency| dependency.name == "clap");
        if reads && !READS_ARGUMENTS.contains(&package.name.as_str()) {
            faults.push(format!("{} must not read arguments (it depends on clap)", package.name));
        }
    }
    for rule in rules {
        if !metadata.workspace_packages().iter().any(|package| package.name.as_str() == rule.crate_name) {
            faults
                .push(format!("the table of layers names {}, which is not a crate of this workspace", rule.crate_name));
        }
    }
    Ok(faults)
}

/// Every package that a crate's normal and build dependencies reach, with a shortest path to it.
/// Development dependencies do not ship and are left out.
fn reached<'a>(
    nodes: &BTreeMap<&'a PackageId, &'a Node>,
    start: &'a PackageId,
) -> Vec<(&'a PackageId, Vec<&'a PackageId>)> {
    let mut seen = BTreeSet::from([start]);
    let mut wave = vec![vec![start]];
    let mut found = Vec::new();
    while !wave.is_empty() {
        let mut next = Vec::new();
        for path in wave {
            let dependencies = path.last().and_then(|last| nodes.get(last)).map_or(&[][..], |node| &node.deps);
            for dependency in dependencies {
                let ships = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
                if ships && seen.insert(&dependency.pkg) {
                    let longer: Vec<_> = path.iter().copied().chain([&dependency.pkg]).collect();
                    found.push((&dependency.pkg, longer.clone()));
                    next.push(longer);
                }
            }
        }
        wave = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn metadata() -> Metadata {
        Workspace::find().and_then(|workspace| workspace.metadata()).expect("cargo metadata")
    }

    #[test]
    fn the_table_holds() {
        assert_eq!(faults(&metadata(), RULES).expect("a graph"), Vec::<String>::new());
    }

    #[test]
    fn a_broken_rule_is_found_with_its_path() {
        let others = RULES.iter().filter(|rule| rule.crate_name != "server");
        let mut rules: Vec<Rule> = others.map(|rule| Rule { crate_name: rule.crate_name, never: &[] }).collect();
        rules.push(Rule { crate_name: "server", never: &["diesel"] });
        let faults = faults(&metadata(), &rules).expect("a graph");
        assert_eq!(faults, ["server must not depend on diesel: server > store > diesel"]);
    }

    #[test]
    fn a_crate_without_a_line_is_a_fault() {
        let faults = faults(&metadata(), &RULES[1..]).expect("a graph");
        assert_eq!(faults, ["protocol has no line in the table of layers (xtask/src/layers/crates.rs)"]);
    }
}
