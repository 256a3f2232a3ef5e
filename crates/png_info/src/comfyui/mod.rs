//! ComfyUI: a PNG's `prompt` is the executed graph, `workflow` the drawn graph.

mod graph;
mod read;
mod walk;

use crate::{json, record::Record};
use graph::Graph;
use serde_json::{Map, Value};

/// The record of a file with these texts. The executed graph is preferred.
pub(crate) fn record(prompt: Option<&str>, workflow: Option<&str>) -> Option<Record> {
    let object = |text: Option<&str>| json::parse_object(text?);
    let run = object(prompt).and_then(|prompt| of_graph(&Graph::of_prompt(&prompt)));
    run.or_else(|| of_graph(&Graph::of_workflow(&object(workflow)?)))
}

/// The record of an object that is a graph, or contains one as `prompt` or `workflow`.
pub(crate) fn of_object(object: &Map<String, Value>) -> Option<Record> {
    let part = |name: &str| object.get(name).and_then(Value::as_object);
    let graphs = [
        Some(Graph::of_prompt(object)),
        Some(Graph::of_workflow(object)),
        part("prompt").map(Graph::of_prompt),
        part("workflow").map(Graph::of_workflow),
    ];
    graphs.iter().flatten().find_map(of_graph)
}

fn of_graph(graph: &Graph) -> Option<Record> {
    read::record(graph)
}
