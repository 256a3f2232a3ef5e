//! Selects the settings in a picture's record that this server accepts.

use generation::rule;
use png_info::{NotApplied, Record};
use protocol::NewGeneration;

/// The record with settings that a request can have. Values out of bounds and a model that is not offered are moved to
/// `not_applied`, with the reason.
pub fn applicable(mut record: Record, models: &[String]) -> Record {
    let set = &mut record.settings;
    let mut refused = Vec::new();
    if let Some(name) = set.model.take() {
        set.model = offered(&name, models);
        if set.model.is_none() {
            refused.push(NotApplied::new("model", &name, "no model of that name is offered here"));
        }
    }
    for error in NewGeneration::from_partial(set.clone()).errors() {
        if let Some(value) = set.remove(&error.field) {
            refused.push(NotApplied::new(&error.field, &value, error.message));
        }
    }
    // Width or height alone would change the aspect ratio.
    for (field, has_other) in [("width", set.height.is_some()), ("height", set.width.is_some())] {
        if let Some(value) = Some(()).filter(|()| !has_other).and_then(|()| set.remove(field)) {
            refused.push(NotApplied::new(field, &value, "the other side cannot be applied"));
        }
    }
    let strength = set.strength.as_ref().and_then(|strength| rule("strength")?.error("strength", strength.into()));
    if let Some(error) = strength
        && let Some(value) = set.remove(error.field)
    {
        refused.push(NotApplied::new(error.field, &value, error.message));
    }
    record.not_applied.extend(refused);
    record
}

/// The name under which A1111's records have the hash of a model.
const MODEL_HASH: &str = "Model hash";

/// The record with the model whose file has the hash in the record, whatever its name here. Without one the model is chosen
/// by its name, as the record then says.
pub fn with_hashed_model(mut record: Record, named: impl Fn(&str) -> Option<String>) -> Record {
    let Some(hash) = &record.model_hash else { return record };
    match named(hash) {
        Some(name) => {
            record.settings.model = Some(name);
            record.not_applied.retain(|entry| entry.name != MODEL_HASH);
        }
        None => {
            let entry = record.not_applied.iter_mut().find(|entry| entry.name == MODEL_HASH);
            if let Some(entry) = entry {
                entry.reason =
                    "no model here is known to have this hash; models are then chosen by their names".to_owned();
            }
        }
    }
    record
}

/// The offered model of that name: exact match first, then ignoring case.
fn offered(name: &str, models: &[String]) -> Option<String> {
    let same = models.iter().find(|model| *model == name);
    same.or_else(|| models.iter().find(|model| model.to_lowercase() == name.to_lowercase())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use png_info::PartialParameters;

    fn record() -> Record {
        let settings = PartialParameters {
            prompt: Some("a red car".to_owned()),
            negative_prompt: Some(String::new()),
            width: Some(832),
            height: Some(1216),
            steps: Some(25),
            cfg_scale: Some(6.5),
            sampler: Some("dpmpp_2m".to_owned()),
            scheduler: Some("karras".to_owned()),
            seed: Some(42),
            model: Some("SDXL_base".to_owned()),
            strength: Some(0.5),
            ..PartialParameters::default()
        };
        Record { program: "A1111".to_owned(), settings, ..Record::default() }
    }

    #[test]
    fn what_can_be_asked_for_stays() {
        let made = applicable(record(), &["starter".to_owned(), "sdxl_base".to_owned()]);
        let expected = PartialParameters { model: Some("sdxl_base".to_owned()), ..record().settings };
        assert_eq!((made.settings, made.not_applied), (expected, Vec::new()));
    }

    #[test]
    fn a_model_is_chosen_by_its_hash_before_its_name() {
        let with_hash = || Record {
            model_hash: Some("31e35c80fc".to_owned()),
            not_applied: vec![NotApplied::new(MODEL_HASH, "31e35c80fc", "")],
            ..record()
        };
        let found = with_hashed_model(with_hash(), |hash| (hash == "31e35c80fc").then(|| "renamed".to_owned()));
        assert_eq!((found.settings.model.as_deref(), found.not_applied.len()), (Some("renamed"), 0));
        let missing = with_hashed_model(with_hash(), |_| None);
        assert_eq!(missing.settings.model, record().settings.model);
        assert!(missing.not_applied[0].reason.contains("chosen by their names"));
        assert_eq!(with_hashed_model(record(), |_| unreachable!("no hash")), record());
    }

    #[test]
    fn what_is_out_of_bounds_is_said() {
        let settings = PartialParameters {
            prompt: Some("x".repeat(10_001)),
            width: Some(833),
            steps: Some(0),
            cfg_scale: Some(-0.5),
            seed: Some(1 << 53),
            strength: Some(1.5),
            ..record().settings
        };
        let made = applicable(Record { settings, ..record() }, &["starter".to_owned()]);
        let names: Vec<&str> = made.not_applied.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["model", "prompt", "steps", "cfg_scale", "seed", "width", "height", "strength"]);
        let kept = PartialParameters {
            negative_prompt: Some(String::new()),
            sampler: Some("dpmpp_2m".to_owned()),
            scheduler: Some("karras".to_owned()),
            ..PartialParameters::default()
        };
        assert_eq!(made.settings, kept);
        let steps = &made.not_applied[2];
        assert_eq!(
            (steps.value.as_str(), steps.reason.as_str()),
            ("0", "must be a whole number from 1 to 1000, not 0")
        );
    }
}
