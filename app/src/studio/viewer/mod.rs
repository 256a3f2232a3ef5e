//! The viewer: the current picture, its zoom, its progress.

mod stage;

use super::{GenerationForm, Store, address, formation, on_demand::Loaded, progress_text};
use crate::act::Act;
use crate::{
    browser,
    buttons::{button, icon_button, pause_button, post_button},
    icons::Icon,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{ev, prelude::*};
use protocol::{Frame, FrameId, FrameStatus, TaskStatus};
pub use stage::Stage;

/// The section in the middle of the studio.
pub fn viewer(store: Store, stage: Stage, form: GenerationForm, wall: AnyView) -> AnyView {
    let empty = Memo::new(move |_| store.current.with(Option::is_none));
    let formation = formation::load(store);
    view! {
        <section class="viewer" aria-label="Viewer">
            <div
                class="viewer-stage"
                class:viewer-scaled=move || !stage.fits()
                id="stage"
                on:wheel=move |event| stage.wheel(&event)
                on:pointerdown=move |event| stage.down(&event)
                on:pointermove=move |event| stage.moved(&event)
                on:pointerup=move |_| stage.up()
                on:pointercancel=move |_| stage.up()
            >
                {dynamic(move || if empty.get() { welcome(store) } else { picture(store) })}
                {formation::step_picture(store)}
                {dynamic(move || onion(store))}
                {dynamic(move || compare(store))}
            </div>
            {wall}
            {formation::row(formation, store, form)}
            {dynamic(move || if empty.get() { nothing() } else { tools(stage) })}
            {status(formation, store, form)}
        </section>
    }
    .erase()
}

/// The zoom buttons.
fn tools(stage: Stage) -> AnyView {
    let scale = words(move || stage.percent().map(|percent| format!("{percent} %")).unwrap_or_default());
    let fits = words(move || stage.fits().to_string());
    view! {
        <div class="viewer-tools" role="group" aria-label="Zoom">
            <output class="viewer-scale">{scale}</output>
            {icon_button(Act::ZoomOut, "", "Zoom out", Icon::Minus)}
            {icon_button(Act::ZoomIn, "", "Zoom in", Icon::Plus)}
            <button class="viewer-tool" type="button" data-act=Act::ZoomFit.as_str() aria-pressed=fits>"Fit"</button>
            {button("viewer-tool", Act::ZoomActual, "", "1:1")}
        </div>
    }
    .erase()
}

/// Onion skin: the neighbouring frames, translucent over the picture.
fn onion(store: Store) -> AnyView {
    if store.onion.get() == 0 || store.playing.with(Option::is_some) {
        return nothing();
    }
    let around = store.state.with(|state| {
        let id = store.current.with(|frame| frame.as_ref().map(|frame| frame.id));
        let at = state.frames.iter().position(|frame| Some(frame.id) == id)?;
        let before = at.checked_sub(1).map(|at| state.frames[at].id);
        Some([before, state.frames.get(at + 1).map(|frame| frame.id)])
    });
    let skins = around.into_iter().flatten().flatten().map(|id| {
        view! { <img class=format!("viewer-picture viewer-onion onion-{}", store.onion.get()) src=words(move || store.address(id)) alt="" draggable="false"/> }
            .erase()
    });
    skins.collect::<Vec<_>>().into_any()
}

/// The compared take over the right part of the picture. The slider sets where the two meet.
fn compare(store: Store) -> AnyView {
    let take = store.compared.get().filter(|_| store.playing.with(Option::is_none));
    let Some(take) = take else { return nothing() };
    let slide = move |event: ev::Event| {
        let percent = browser::target(&event).and_then(|field| browser::value(&field)).unwrap_or_default();
        if let Some(half) = browser::find(".compare-half") {
            browser::style(&half, "clip-path", &format!("inset(0 0 0 {percent}%)"));
        }
    };
    view! {
        <div class="compare-half">
            <img class="viewer-picture" src=address::of_take(&take) alt="The take beside it" draggable="false"/>
        </div>
        // Its pointer must not drag the picture.
        <input
            class="compare-slider"
            type="range"
            min="0"
            max="100"
            step="0.1"
            value="50"
            aria-label="Where the two takes meet"
            on:input=slide
            on:pointerdown=|event| event.stop_propagation()
        />
    }
    .erase()
}

fn of<T: Default>(store: Store, read: impl Fn(&Frame) -> T) -> T {
    store.seen.with(|frame| frame.as_ref().map(read).unwrap_or_default())
}

fn picture(store: Store) -> AnyView {
    let src = words(move || store.address(FrameId(of(store, |frame| frame.id.0))));
    let width = words(move || of(store, |frame| frame.width).to_string());
    let height = words(move || of(store, |frame| frame.height).to_string());
    let alt = words(move || {
        let place = of(store, |frame| frame.position) + 1;
        match of(store, |frame| Some(frame.status)) {
            Some(FrameStatus::Ready) | None => format!("Frame {place}"),
            Some(FrameStatus::Paused) => format!("Frame {place}, paused"),
            _ => format!("Frame {place}, being made"),
        }
    });
    let forming = words(move || {
        let forming = of(store, |frame| frame.status.is_generating());
        if forming { "viewer-picture viewer-forming" } else { "viewer-picture" }.to_owned()
    });
    // The image is decoded before its address changes; `sync` keeps the browser from showing a gap.
    view! { <img id="picture" class=forming src=src alt=alt width=width height=height decoding="sync" draggable="false"/> }
        .erase()
}

/// Progress and remaining time of the current task, with Pause or Resume, Keep, finishing in fewer steps, and Cancel.
fn status(formation: Loaded, store: Store, form: GenerationForm) -> AnyView {
    let task = Memo::new(move |_| store.current_task());
    let id = Memo::new(move |_| task.with(|task| task.as_ref().map(|task| (task.task_id, task.status))));
    dynamic(move || {
        let Some((id, status)) = id.get() else { return nothing() };
        let step = words(move || task.with(|task| task.as_ref().map(progress_text::step).unwrap_or_default()));
        let left = words(move || task.with(|task| task.as_ref().map(progress_text::time_left).unwrap_or_default()));
        let done = words(move || {
            task.with(|task| task.as_ref().map(progress_text::done_permille).unwrap_or_default()).to_string()
        });
        let label = words(move || {
            let loading = task.with(|task| task.as_ref().is_some_and(|task| task.loading.is_some()));
            if loading { "Model loaded" } else { "Steps done" }.to_owned()
        });
        let keep = match status {
            TaskStatus::Queued => nothing(),
            _ => [
                post_button("button button-small", "/fn/tasks/keep", Act::KeepTask, id, "Finish now"),
                formation::finish_button(formation, store, form, id),
            ]
            .into_any(),
        };
        view! {
            <div class="viewer-status">
                <progress class="viewer-progress" max="1000" value=done aria-label=label></progress>
                <span class="viewer-step">{step}</span>
                <span class="viewer-left">{left}</span>
                {pause_button(id, status == TaskStatus::Paused)}
                {keep}
                {post_button("button button-small", "/fn/tasks/cancel", Act::CancelTask, id, "Cancel")}
            </div>
        }
        .erase()
    })
}

/// The empty studio: an introduction and example prompts.
fn welcome(store: Store) -> AnyView {
    let examples = store
        .state
        .with_untracked(|state| state.models.first().map(|model| model.examples.clone()).unwrap_or_default());
    let examples: Vec<AnyView> =
        examples.into_iter().take(6).map(|prompt| button("example", Act::UseExample, "", prompt)).collect();
    let heading = if examples.is_empty() { "Describe a picture." } else { "Describe a picture, or try an example." };
    view! {
        <div class="viewer-welcome">
            <h2 class="viewer-welcome-title">"Make your first frame"</h2>
            <p>{heading}</p>
            <div class="examples">{examples}</div>
        </div>
    }
    .erase()
}
