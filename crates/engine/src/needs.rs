//! What a task needs of the process that makes its picture.

use crate::Models;
use protocol::Parameters;
use store::{FileKind, NeededFile, Needs};

/// The version of the drawing protocol of this program. With a parameter that older programs would draw wrongly it is raised by one,
/// and [`version_for`] returns it for tasks that use that parameter: older processes leave these to others.
pub(crate) const DRAWING_PROTOCOL: u32 = 1;

/// The version of the drawing protocol that a task needs.
fn version_for(_: &Parameters) -> u32 {
    1
}

/// What a task with these parameters needs. `least`: the drawing protocol that every task needs, for tests.
pub(crate) fn needs_of(of: &Parameters, models: &Models, least: u32) -> Needs {
    let lora =
        |lora: &protocol::Lora| NeededFile { kind: FileKind::Lora, name: lora.name.clone(), hash: lora.hash.clone() };
    let embeddings = models.embeddings_named(&texts(of));
    Needs { protocol: version_for(of).max(least), files: of.loras.iter().map(lora).chain(embeddings).collect() }
}

/// All prompts of a task.
pub(crate) fn texts(of: &Parameters) -> String {
    let changed = of.track.iter().flat_map(|change| [&change.prompt, &change.negative_prompt]).flatten();
    let texts: Vec<&str> = [&of.prompt, &of.negative_prompt].into_iter().chain(changed).map(String::as_str).collect();
    texts.join("\n")
}
