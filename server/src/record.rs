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
