//! Words for values in printed reports.

use serde::Serialize;
use std::collections::BTreeMap;

/// The number types of a report, separated by commas.
pub(super) fn shares<D: Serialize>(dtypes: &BTreeMap<D, u64>) -> String {
    dtypes.keys().map(name_of).collect::<Vec<_>>().join(", ")
}

/// Name of an enum value in the JSON report.
pub(super) fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}
