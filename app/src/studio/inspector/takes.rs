//! The list of a frame's takes.

use super::{Inspector, tree};
use crate::{
    act::Act,
    buttons::toggle_button,
    icons::Icon,
    studio::address,
    view::{Erase, dynamic, list, nothing, words},
};
use leptos::prelude::*;
use protocol::{Take, TakeId};

impl Inspector {
    /// The takes of the frame, newest first, as a keyed list. Rendering all of them again for each new take had grown the page
    /// by 30 MB after five hundred generations of one frame.
    pub(super) fn takes_list(self) -> AnyView {
        let compared = self.store.compared;
        let shown = Memo::new(move |_| {
            let compared = compared.with(|take| take.as_ref().map(|take| take.id));
            self.takes.with(|takes| ShownTake::all(takes, compared))
        });
        let ids = Memo::new(move |_| shown.with(|takes| takes.iter().map(|take| take.id).collect::<Vec<_>>()));
        let count = Memo::new(move |_| ids.with(Vec::len));
        let class = words(move || {
            let is_tree = shown.with(|takes| takes.iter().any(|take| take.depth > 0));
            if is_tree { "takes-list takes-tree" } else { "takes-list" }.to_owned()
        });
        let (any, several) = (Memo::new(move |_| count.get() > 0), Memo::new(move |_| count.get() > 1));
        let compare = move || {
            if !several.get() {
                return nothing();
            }
            let (label, pressed) = ("Compare two takes", words(move || compared.with(Option::is_some).to_string()));
            toggle_button(Act::Compare, label, label, Icon::Compare, pressed)
        };
        dynamic(move || {
            if !any.get() {
                return nothing();
            }
            view! {
                <section class="takes" aria-label="Takes">
                    <div class="takes-head">
                        <h3 class="inspector-sub">"Takes"</h3>
                        {dynamic(compare)}
                    </div>
                    <ul class=class>{list(ids.into(), move |id| take(id, shown))}</ul>
                </section>
            }
            .erase()
        })
    }
}

/// Width of a take in the list, CSS pixels.
const TAKE_PX: u32 = 80;

/// Depth from which the tree is indented no further; as in the style sheet.
const DEEPEST: u32 = 4;

/// What a take in the list shows. One memo serves all takes, as with the clips of the timeline.
#[derive(Clone, Debug, Default, PartialEq)]
struct ShownTake {
    id: i64,
    label: String,
    address: String,
    /// Width and height of the picture, pixels.
    sides: (u32, u32),
    selected: bool,
    /// Whether it is compared with the selected one.
    compared: bool,
    /// Number of branches between it and a take that is none.
    depth: u32,
    /// The depths at which a line goes on past it.
    rails: String,
    /// Its number, and the step that it branches at. Only a tree shows it.
    note: String,
}

impl ShownTake {
    fn all(takes: &[Take], compared: Option<TakeId>) -> Vec<Self> {
        let count = takes.len();
        let one = |tree::Node { index, depth, rails }: tree::Node| {
            let rails = (1..=DEEPEST).filter(|depth| rails & (1 << depth) != 0).map(|depth| depth.to_string());
            let (take, number) = (&takes[index], count - index);
            let origin = tree::origin(takes, take).map(|origin| format!(". {origin}")).unwrap_or_default();
            let step = take.parameters.from_step.map(|step| format!(", from step {step}")).unwrap_or_default();
            Self {
                id: take.id.0,
                label: format!("Take {number} of {count}{origin}"),
                address: address::thumbnail(address::of_take(take), (take.width, take.height), TAKE_PX),
                sides: (take.width, take.height),
                selected: take.selected,
                compared: compared == Some(take.id),
                depth,
                rails: rails.collect::<Vec<_>>().join(" "),
                note: format!("Take {number}{step}"),
            }
        };
        tree::nodes(takes).into_iter().map(one).collect()
    }

    fn class(&self) -> String {
        if self.compared { "take take-beside" } else { "take" }.to_owned()
    }
}

/// One take in the list.
fn take(id: i64, shown: Memo<Vec<ShownTake>>) -> AnyView {
    let take =
        Memo::new(move |_| shown.with(|takes| takes.iter().find(|take| take.id == id).cloned()).unwrap_or_default());
    let of = move |read: fn(&ShownTake) -> String| words(move || take.with(read));
    // The picture and its size never change.
    let ShownTake { address, sides: (width, height), .. } = take.get_untracked();
    view! {
        <li class="take-row" data-depth=of(|take| take.depth.min(DEEPEST).to_string()) data-rails=of(|take| take.rails.clone())>
            <button
                class=of(ShownTake::class)
                type="button"
                data-act=Act::SelectTake.as_str()
                data-id=id
                aria-pressed=of(|take| take.selected.to_string())
                aria-label=of(|take| take.label.clone())
            >
                <img class="take-picture" src=address alt="" width=width height=height loading="lazy"/>
                <span class="take-note" aria-hidden="true">{of(|take| take.note.clone())}</span>
            </button>
        </li>
    }
    .erase()
}
