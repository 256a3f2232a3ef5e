//! A generation that branches from a step of a take: what the form shows and locks then.

use super::GenerationForm;
use crate::{
    act::Act,
    browser,
    buttons::button,
    drafts::Draft,
    forms::field::Number,
    view::{Erase, dynamic, nothing},
};
use generation::limits;
use leptos::prelude::*;

/// The controls of what a branch takes over from its take.
const LOCKED: [&str; 11] = [
    "#generation-steps",
    "#generation-cfg_rescale",
    "#generation-scheduler",
    "#generation-size",
    "#generation-width",
    "#generation-height",
    "#generation-num_variants",
    "#generation-pause_at",
    "#generation-preview_method",
    "#generation-model",
    "#generation-styles-opener",
];
const REASON: &str = "Stays as in the take that this branches from.";

impl GenerationForm {
    /// Fills the form with a draft that branches from a step.
    pub fn branch_with(self, draft: &Draft) {
        self.fill(draft);
        self.focus_prompt();
    }

    /// Makes it a generation of its own. The other fields stay.
    pub fn clear_branch(self) {
        self.edit(|draft| {
            draft.branch_of.clear();
            draft.from_step.clear();
            draft.finish_in.clear();
        });
        self.focus_prompt();
    }

    /// Shows whether the form's fields are those of a branch, and locks what a branch cannot change.
    pub(super) fn show_branch(self, draft: &Draft) {
        let branch = draft.branch().ok().flatten();
        if self.branch.get_untracked() != branch {
            self.branch.set(branch);
        }
        let reason = branch.map(|_| REASON);
        for control in LOCKED.iter().filter_map(|control| browser::find(control)) {
            browser::set_disabled(&control, reason);
        }
    }

    /// The words on the button that submits the form.
    pub(super) fn submit_label(self) -> String {
        match self.branch.get() {
            Some((_, step)) => format!("Generate from step {step}"),
            None => "Generate".to_owned(),
        }
    }

    /// The fields of the branch, and what is said about it.
    pub(super) fn branch(self, draft: &mut Draft) -> AnyView {
        self.branch.set(draft.branch().ok().flatten());
        let (of, step) = (draft.take("branch_of"), draft.take("from_step"));
        let is_any = Memo::new(move |_| self.branch.with(Option::is_some));
        let number = Number { placeholder: Some("All that are left"), ..Number::within(&limits::STEPS, 1) };
        let finish_in = self.field(draft, "finish_in", "Finish in").number(number);
        let said = dynamic(move || {
            let Some((_, step)) = self.branch.get() else { return nothing() };
            let steps = if step == 1 { "step".to_owned() } else { format!("{step} steps") };
            let shares = format!(
                "The new take shares the first {steps}, with the size, steps, schedule and model of the take. The rest can change."
            );
            view! {
                <div class="maker-branch" role="group" aria-label="Branch">
                    <p class="maker-branch-title">{format!("Branches from step {step}")}</p>
                    {button("button button-small", Act::ClearBranch, "", "Remove")}
                    <p class="maker-branch-text">{shares}</p>
                </div>
            }
            .erase()
        });
        view! {
            <input type="hidden" id="generation-branch-of" name="draft[branch_of]" value=of/>
            <input type="hidden" id="generation-from-step" name="draft[from_step]" value=step/>
            {said}
            <div class="maker-finish" hidden=move || !is_any.get()>{finish_in}</div>
        }
        .erase()
    }
}
