//! The settings of a distilled model or LoRA file: offered while one is chosen, set by one click, undone by another.

use super::{
    GenerationForm,
    loaded::{self, Part},
};
use crate::{
    drafts::Draft,
    view::{Erase, dynamic, nothing},
};
use leptos::{ev, prelude::*};
use protocol::{LibraryDistillation, LibraryItem};

/// The fields that such settings are.
const FIELDS: [&str; 4] = ["steps", "cfg_scale", "sampler", "scheduler"];

/// Texts of these fields.
pub type Settings = [String; 4];

/// Settings that a click has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The file that needs them.
    name: String,
    set: Settings,
    before: Settings,
}

/// What the form offers.
#[derive(Clone, Debug, PartialEq)]
enum Offer {
    Nothing,
    /// The file's name, and its distillation with the settings that it needs.
    Use(String, LibraryDistillation),
    /// The file whose settings are set.
    Undo(String),
}

/// The settings in a draft.
pub fn of_draft(draft: &Draft) -> Settings {
    let fields = draft.fields();
    let text = |field: &str| fields.iter().find(|(name, _)| *name == field).map(|(_, text)| text.trim().to_owned());
    FIELDS.map(|field| text(field).unwrap_or_default())
}

fn of(distillation: &LibraryDistillation) -> Settings {
    let LibraryDistillation { steps, cfg_scale, sampler, scheduler, .. } = distillation;
    [steps.to_string(), cfg_scale.to_string(), sampler.to_string(), scheduler.to_string()]
}

/// The undo while nothing was changed since; else the settings of the first distilled file, unless the form has them.
fn offer(now: &Settings, known: &[LibraryItem], applied: Option<&Applied>) -> Offer {
    if let Some(applied) = applied.filter(|applied| applied.set == *now) {
        return Offer::Undo(applied.name.clone());
    }
    let mut distilled = known.iter().filter_map(|item| Some((item.name.clone(), item.distillation.clone()?)));
    match distilled.next().filter(|(_, distillation)| of(distillation) != *now) {
        Some((name, distillation)) => Offer::Use(name, distillation),
        None => Offer::Nothing,
    }
}

impl GenerationForm {
    fn offer(self) -> Offer {
        let (known, applied) = (self.loras.known(), self.applied.get());
        self.settings.with(|now| offer(now, &known, applied.as_ref()))
    }

    /// Sets the settings of the distilled file that is chosen.
    fn use_preset(self) {
        let Offer::Use(name, distillation) = untrack(|| self.offer()) else { return };
        let (set, before) = (of(&distillation), self.settings.get_untracked());
        self.applied.set(Some(Applied { name, set: set.clone(), before }));
        self.set_settings(set);
    }

    /// Restores the settings that the form had before.
    fn undo_preset(self) {
        if let Some(applied) = self.applied.try_update(Option::take).flatten() {
            self.set_settings(applied.before);
        }
    }

    fn set_settings(self, settings: Settings) {
        self.edit(|draft| FIELDS.into_iter().zip(settings).for_each(|(field, text)| draft.set(field, text)));
    }

    /// The offer, announced by screen readers.
    pub(super) fn preset(self) -> AnyView {
        let offered = self.loras.loaded.view(move || loaded::part(self, Part::Preset));
        view! { <div class="preset" role="status">{offered}</div> }.erase()
    }

    /// The offer's content.
    pub fn offered(self) -> AnyView {
        let offered = Memo::new(move |_| self.offer());
        dynamic(move || match offered.get() {
            Offer::Nothing => nothing(),
            Offer::Use(name, LibraryDistillation { title, steps, cfg_scale, sampler, scheduler, .. }) => {
                let unit = if steps == 1 { "step" } else { "steps" };
                let settings = format!("{steps} {unit}, {sampler}, {scheduler}, guidance {cfg_scale}.");
                view! {
                    <p class="preset-text"><bdi>{name}</bdi>" is distilled ("{title}"). It needs "{settings}</p>
                    {button("use-preset", "Use its settings", move |_| self.use_preset())}
                }
                .erase()
            }
            Offer::Undo(name) => view! {
                <p class="preset-text">"The settings of "<bdi>{name}</bdi>" are set."</p>
                {button("undo-preset", "Undo", move |_| self.undo_preset())}
            }
            .erase(),
        })
    }
}

fn button(act: &'static str, label: &'static str, click: impl Fn(ev::MouseEvent) + 'static) -> AnyView {
    view! { <button class="button button-small" type="button" data-act=act on:click=click>{label}</button> }.erase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::examples::item;
    use protocol::{LibraryKind, Sampler, Schedule};

    fn distilled(name: &str, steps: u32) -> LibraryItem {
        let distillation = LibraryDistillation {
            name: "lightning-8".into(),
            title: "Lightning, 8 steps".into(),
            is_marked: false,
            steps,
            sampler: Sampler::Euler,
            scheduler: Schedule::Trailing,
            cfg_scale: 1.0,
        };
        LibraryItem { distillation: Some(distillation), ..item(LibraryKind::Lora, name) }
    }

    fn settings(steps: &str, cfg: &str, sampler: &str, schedule: &str) -> Settings {
        [steps, cfg, sampler, schedule].map(str::to_owned)
    }

    #[test]
    fn the_first_distilled_file_is_offered_until_the_form_has_its_settings() {
        let known = [item(LibraryKind::Lora, "ink"), distilled("fast", 8), distilled("faster", 4)];
        let usual = settings("30", "5", "euler", "leading");
        let Offer::Use(name, distillation) = offer(&usual, &known, None) else { panic!("nothing is offered") };
        assert_eq!((name.as_str(), of(&distillation)), ("fast", settings("8", "1", "euler", "trailing")));
        assert_eq!(offer(&of(&distillation), &known, None), Offer::Nothing);
        assert_eq!(offer(&usual, &known[..1], None), Offer::Nothing);
    }

    #[test]
    fn what_was_set_is_undone_until_it_is_changed() {
        let known = [distilled("fast", 8)];
        let usual = settings("30", "5", "euler", "leading");
        let fast = settings("8", "1", "euler", "trailing");
        let applied = Applied { name: "fast".into(), set: fast.clone(), before: usual };
        assert_eq!(offer(&fast, &known, Some(&applied)), Offer::Undo("fast".into()));
        // The file was removed: its settings can still be undone.
        assert_eq!(offer(&fast, &[], Some(&applied)), Offer::Undo("fast".into()));
        let other = settings("6", "1", "euler", "trailing");
        assert!(matches!(offer(&other, &known, Some(&applied)), Offer::Use(..)));
    }

    #[test]
    fn a_drafts_settings_are_its_texts() {
        let mut draft = Draft { steps: " 8 ".into(), cfg_scale: "1".into(), ..Draft::default() };
        draft.set("sampler", "euler".into());
        assert_eq!(of_draft(&draft), settings("8", "1", "euler", ""));
    }
}
