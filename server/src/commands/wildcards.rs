//! The option `--wildcards`.

use anyhow::{Context, Result};
use local_studio::WildcardFolder;
use std::path::Path;

/// The folder of `--wildcards`.
pub fn wildcards(path: Option<&Path>) -> Result<Option<WildcardFolder>> {
    let open = |path: &Path| {
        WildcardFolder::open(path).with_context(|| format!("--wildcards {}: cannot read the folder", path.display()))
    };
    path.map(open).transpose()
}
