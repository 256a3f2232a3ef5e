//! The LoRA files that the prompt names, `<lora:ink:0.8>`: a chip for each that is not in the form's list.

use super::{LoraChips, edit, note_line, options::thumbnail};
use crate::{
    act::clicked,
    browser,
    buttons::button,
    studio::GenerationForm,
    view::{Erase, dynamic},
};
use generation::Lora;
use leptos::{ev, prelude::*};

/// The action of the button that moves a tag into the list.
const MOVE: &str = "move-lora";

/// The weights of a tag as text.
pub fn weights(lora: &Lora) -> String {
    match lora.text_weight.filter(|weight| *weight != lora.unet_weight) {
        Some(text) => format!("{}, text encoders {text}", lora.unet_weight),
        None => lora.unet_weight.to_string(),
    }
}

impl LoraChips {
    /// The library's name of a file, else its own.
    fn name(self, lora: &Lora) -> String {
        self.item(&lora.name).map_or_else(|| lora.name.clone(), |item| item.name)
    }

    /// The prompt's tag for a file of the list, if it has other weights.
    pub fn tag_of(self, lora: &Lora) -> Option<Lora> {
        let name = self.name(lora);
        let is_other = |tag: &Lora| (tag.unet_weight, tag.text_weight()) != (lora.unet_weight, lora.text_weight());
        self.tagged.get().into_iter().find(|tag| is_other(tag) && self.name(tag) == name)
    }

    /// The prompt's tags for files that the list has not, with their places among all tags.
    fn only_tagged(self) -> Vec<(usize, Lora)> {
        let listed = self.list.with(|list| list.iter().map(|lora| self.name(lora)).collect::<Vec<_>>());
        let tagged = self.tagged.get().into_iter().enumerate();
        tagged.filter(|(_, lora)| !listed.contains(&self.name(lora))).collect()
    }
}

impl GenerationForm {
    /// Moves the file of the prompt's tag at this place into the list, where its weight has a slider.
    fn move_tag(self, place: i64) {
        let tag = self.loras.tagged.with_untracked(|tagged| tagged.get(usize::try_from(place).ok()?).cloned());
        if let Some(tag) = tag {
            let name = untrack(|| self.loras.name(&tag));
            self.edit(|draft| {
                draft.prompt = edit::without_tag(&draft.prompt, &tag.name);
                draft.loras = edit::with_tag(&draft.loras, &Lora { name, ..tag });
            });
            // The chip's button is gone; the file's new chip is the last of the list, and there after this turn.
            request_animation_frame(|| browser::focus(".lora-list > :last-child input[type=number]"));
        }
    }

    /// The chips.
    pub fn tag_chips(self) -> AnyView {
        let chips = self.loras;
        let shown = Memo::new(move |_| chips.only_tagged());
        dynamic(move || {
            let tags = shown.get().into_iter();
            tags.map(|(place, tag)| self.tag_chip(place, &tag)).collect::<Vec<_>>().into_any()
        })
    }
}

impl GenerationForm {
    fn tag_chip(self, place: usize, tag: &Lora) -> AnyView {
        let item = self.loras.item(&tag.name);
        let note = self.loras.note(item.as_ref()).map(|text| note_line(&text));
        let (name, weights) = (item.as_ref().map_or(&tag.name, |item| &item.name).clone(), weights(tag));
        let thumbnail = thumbnail(item.and_then(|item| item.thumbnail));
        let click = move |event: ev::MouseEvent| {
            if let Some((_, place)) = clicked(&event).filter(|(act, _)| act == MOVE) {
                self.move_tag(place);
            }
        };
        view! {
            <div class="lora lora-tagged" role="group" aria-label=format!("In the prompt: {name}") on:click=click>
                <div class="lora-head">
                    {thumbnail}
                    <span class="lora-name" dir="auto" title=name.clone()>{name.clone()}</span>
                    <span class="lora-tag-weight">{weights}</span>
                </div>
                {note}
                <div class="lora-tag-foot">
                    <span>"From the prompt"</span>
                    {button("button button-small", MOVE, place, "Move to the list")}
                </div>
            </div>
        }
        .erase()
    }
}
