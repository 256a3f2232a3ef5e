//! What helps with prompts: how long one is to the text encoders, those of before, a list of several.

use super::{FORM, Form, each_line, typed};
use crate::{
    browser,
    components::Icon,
    error::sentence,
    serverfns::{generations::estimate_generation, prompts::count_tokens},
    studio::{Store, draft::Draft},
    view::{button, dynamic, nothing},
};
use leptos::{prelude::*, task::spawn_local};

/// Typing has paused when nothing came for this long.
const PAUSE_MS: u32 = 300;
/// Tokens of one chunk of the text encoders.
const CHUNK: u32 = 75;
/// Prompts that are remembered.
const MOST: usize = 30;
/// ASCII's separator of records, which nobody types.
const RECORD: char = '\u{1e}';

fn place(store: Store) -> String {
    format!("prompts-{}", store.project_id())
}

fn recalled(store: Store) -> Vec<String> {
    let kept = browser::recall(&place(store)).unwrap_or_default();
    kept.split(RECORD).filter(|prompt| !prompt.is_empty()).map(str::to_owned).collect()
}

/// How long what the form asks for will take, every line a picture where it is to be so.
async fn estimate(store: Store, mut draft: Draft) -> Option<u64> {
    let pictures = if each_line() { draft.lines().len().max(1) } else { 1 };
    // A prompt's words cost nothing; an empty one is yet to be written.
    draft.prompt = "-".to_owned();
    draft.read().ok()?;
    let ms = estimate_generation(store.project_id(), draft).await.and_then(|ms| ms.open()).ok()??;
    Some(ms.saturating_mul(pictures as u64))
}

impl Form {
    /// Keeps a prompt as the newest of those that were used.
    pub(super) fn note_prompt(self, prompt: &str) {
        let mut prompts = recalled(self.store);
        prompts.retain(|known| known != prompt);
        prompts.insert(0, prompt.to_owned());
        prompts.truncate(MOST);
        browser::remember(&place(self.store), &prompts.join(&RECORD.to_string()));
        self.prompts.set(prompts);
    }

    /// Counts the prompt's tokens and estimates the time whenever typing pauses; a picture that is finished makes
    /// the estimate anew.
    pub(super) fn follow_prompt(self) {
        Effect::new(move |_| self.prompts.set(recalled(self.store)));
        let open = Memo::new(move |_| self.store.state.with(|state| state.tasks.len()));
        Effect::new(move |_| {
            open.track();
            let version = self.store.form_version.get();
            spawn_local(async move {
                browser::wait(PAUSE_MS).await;
                if self.store.form_version.try_get_untracked() != Some(version) {
                    return;
                }
                let Some(draft) = browser::find(FORM).map(|form| typed(&form)) else { return };
                // What cannot be counted is told when it is sent.
                let count = match (draft.prompt.trim(), draft.negative_prompt.trim()) {
                    ("", "") => None,
                    _ => {
                        let count = count_tokens(draft.prompt.clone(), draft.negative_prompt.clone()).await;
                        count.and_then(|count| count.open()).ok()
                    }
                };
                self.tokens.try_set(count);
                self.time_ms.try_set(estimate(self.store, draft).await);
            });
        });
    }

    /// Under the prompt: its length, its history, and whether each line is a frame.
    pub(super) fn prompt_foot(self) -> AnyView {
        let length = dynamic(move || match self.tokens.get() {
            Some(count) if count.tokens == 0 => nothing(),
            Some(count) if count.chunks > 1 => {
                let text = format!("{} tokens, {} chunks of {CHUNK}", count.tokens, count.chunks);
                view! { <span class="prompt-length">{text}</span> }.into_any()
            }
            Some(count) => {
                view! { <span class="prompt-length">{format!("{} of {CHUNK} tokens", count.tokens)}</span> }.into_any()
            }
            None => nothing(),
        });
        let recent = dynamic(move || match self.prompts.with(Vec::is_empty) {
            true => nothing(),
            false => view! {
                <button
                    class="icon-button"
                    type="button"
                    popovertarget="recent-prompts"
                    aria-label="Recent prompts"
                    title="Recent prompts"
                >
                    {Icon::History.view()}
                </button>
            }
            .into_any(),
        });
        let list = dynamic(move || {
            let prompts = self.prompts.get().into_iter().enumerate();
            let rows = prompts.map(|(i, prompt)| button("recent-prompt", "recent", i, prompt));
            rows.collect::<Vec<_>>().into_any()
        });
        view! {
            <div class="prompt-foot">
                <label class="check"><input type="checkbox" id="generation-lines"/>"A frame for each line"</label>
                {length}
                {recent}
                <div id="recent-prompts" class="flyout recent-prompts" popover="auto" aria-label="Recent prompts">{list}</div>
            </div>
        }
        .into_any()
    }

    /// What of a prompt is read as words.
    pub(super) fn warnings(self, field: &'static str) -> AnyView {
        let told = dynamic(move || {
            let warnings = self.tokens.get().map(|count| count.warnings).unwrap_or_default().into_iter();
            let of_field = warnings.filter(|warning| warning.field == field);
            of_field
                .map(|warning| view! { <p>{sentence(&warning.message)}</p> }.into_any())
                .collect::<Vec<_>>()
                .into_any()
        });
        view! { <div class="field-warnings" role="status">{told}</div> }.into_any()
    }

    /// Puts a prompt of before into the form.
    pub(super) fn use_recent(self, place: i64) {
        let prompt =
            usize::try_from(place).ok().and_then(|place| self.prompts.with_untracked(|all| all.get(place).cloned()));
        if let (Some(prompt), Some(form)) = (prompt, browser::find(FORM)) {
            browser::set_field(&form, "draft[prompt]", &prompt);
            browser::close("recent-prompts");
            browser::focus("#generation-prompt");
        }
    }
}
