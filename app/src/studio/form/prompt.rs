//! The prompt: its length in tokens, recent prompts, one frame for each line.

use super::{GenerationForm, is_line_per_frame};
use crate::{
    act::Act,
    browser,
    buttons::button,
    drafts::Draft,
    icons::Icon,
    serverfns::{generations::estimate_generation, prompts::count_tokens},
    studio::Store,
    view::{Erase, dynamic, nothing, subscribe},
};
use leptos::{prelude::*, task::spawn_local};

/// Pause in typing after which the prompt is counted, milliseconds.
const PAUSE_MS: u32 = 300;
/// Tokens in a chunk of the text encoders.
const CHUNK: u32 = 75;
/// Recent prompts that are stored.
const MAX_PROMPTS: usize = 30;
/// ASCII's record separator, which cannot be typed.
const RECORD: char = '\u{1e}';

fn storage_key(store: Store) -> String {
    format!("prompts-{}", store.project_id())
}

fn stored_prompts(store: Store) -> Vec<String> {
    let kept = browser::recall(&storage_key(store)).unwrap_or_default();
    kept.split(RECORD).filter(|prompt| !prompt.is_empty()).map(str::to_owned).collect()
}

/// Estimated duration of what the form asks for, milliseconds; with a frame for each line, of all lines.
async fn estimate(store: Store, mut draft: Draft) -> Option<u64> {
    let pictures = if is_line_per_frame() { draft.lines().len().max(1) } else { 1 };
    // The duration does not depend on the prompt, which may still be empty.
    draft.prompt = "-".to_owned();
    draft.read().ok()?;
    let ms = estimate_generation(store.project_id(), draft).await.and_then(|ms| ms.open()).ok()??;
    Some(ms.saturating_mul(pictures as u64))
}

impl GenerationForm {
    /// Adds a prompt to the recent ones.
    pub(super) fn remember_prompt(self, prompt: &str) {
        let mut prompts = stored_prompts(self.store);
        prompts.retain(|known| known != prompt);
        prompts.insert(0, prompt.to_owned());
        prompts.truncate(MAX_PROMPTS);
        browser::remember(&storage_key(self.store), &prompts.join(&RECORD.to_string()));
        self.prompts.set(prompts);
    }

    /// Counts the tokens and estimates the duration whenever typing pauses. The estimate is updated when the number of open
    /// tasks changes.
    pub(super) fn watch_prompt(self) {
        Effect::new(move |_| self.prompts.set(stored_prompts(self.store)));
        let open = Memo::new(move |_| self.store.state.with(|state| state.tasks.len()));
        // Which LoRA files the prompt may name.
        let library = Memo::new(move |_| self.store.state.with(|state| state.library_revision));
        Effect::new(move |_| {
            subscribe(open);
            self.styles.known.track();
            subscribe(library);
            let version = self.version.get();
            spawn_local(async move {
                browser::wait(PAUSE_MS).await;
                if self.version.try_get_untracked() != Some(version) {
                    return;
                }
                let Some(draft) = self.draft().map(|draft| self.styled(draft)) else { return };
                // Errors are reported on submission.
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

    /// The line under the prompt: frame-per-line checkbox, length, recent prompts.
    pub(super) fn prompt_foot(self) -> AnyView {
        let length = dynamic(move || match self.tokens.get() {
            Some(count) if count.tokens == 0 => nothing(),
            Some(count) if count.chunks > 1 => {
                let text = format!("{} tokens, {} chunks of {CHUNK}", count.tokens, count.chunks);
                view! { <span class="prompt-length">{text}</span> }.erase()
            }
            Some(count) => {
                view! { <span class="prompt-length">{format!("{} of {CHUNK} tokens", count.tokens)}</span> }.erase()
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
            .erase(),
        });
        let list = dynamic(move || {
            let prompts = self.prompts.get().into_iter().enumerate();
            let rows = prompts.map(|(i, prompt)| button("recent-prompt", Act::UseRecent, i, prompt));
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
        .erase()
    }

    /// Puts a recent prompt into the form.
    pub fn use_recent(self, index: i64) {
        let prompts = self.prompts.get_untracked();
        if let Some(prompt) = usize::try_from(index).ok().and_then(|index| prompts.into_iter().nth(index)) {
            self.edit(|draft| draft.prompt = prompt);
            browser::close("recent-prompts");
            self.focus_prompt();
        }
    }
}
