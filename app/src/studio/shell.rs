//! The studio's layout.

use super::{
    Store,
    controls::Controls,
    inspector::Inspector,
    panels::panels,
    side_panels::{SidePanel, SidePanels},
    timeline::Timeline,
    viewer::{Stage, viewer},
    wall,
};
use crate::act::Act;
use crate::{
    buttons::{button, post_button},
    components::TopBar,
    icons::Icon,
    live::Live,
    studio::GenerationForm,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{ev, prelude::*};
use protocol::url_path;

/// One project's studio.
#[component]
pub fn Studio(
    /// The state that the page was rendered with.
    studio: protocol::Studio,
) -> impl IntoView {
    let live = Live::expect();
    let store = Store::new(studio);
    live.listen(move |text| store.handle_message(text), move || store.socket_path());
    #[cfg(feature = "browser")]
    {
        super::pictures::follow(store, live);
        let title = Memo::new(move |_| {
            store.state.with(|state| {
                let title = crate::page::title(&state.project.name);
                match super::progress_text::running_percent(&state.tasks) {
                    Some(percent) => format!("{percent} % · {title}"),
                    None => title,
                }
            })
        });
        Effect::new(move |_| document().set_title(&title.get()));
    }
    let (form, stage) = (GenerationForm::new(store), Stage::new(store));
    let (inspector, timeline) = (Inspector::new(store, form), Timeline::new(store, stage));
    let side_panels = SidePanels::new();
    let controls = Controls { store, form, stage, inspector, timeline, side_panels };
    let layout = words(move || {
        let folded = |panel: SidePanel, class| if panel.is_folded() { class } else { "" };
        format!("studio{}{}", folded(side_panels.left, " maker-folded"), folded(side_panels.right, " inspector-folded"))
    });
    view! {
        <div class="studio-root" on:click=move |event: ev::MouseEvent| controls.click(&event)>
        <TopBar project=store.project_id() start=start(store) end=end(side_panels, panels(store, live))/>
        <main id="main" class=layout tabindex="-1">
            {form.view()}
            {side_panels.left.edge()}
            {viewer(store, stage, form, wall::part(store, inspector, timeline))}
            {side_panels.right.edge()}
            {inspector.view(timeline)}
            {timeline.view()}
            {messages(store)}
            <p class="visually-hidden" role="status">{words(move || store.state.with(|state| state.spoken.clone()))}</p>
        </main>
        </div>
    }
    .erase()
}

/// The end of the top bar: the switches of the side panels, then the buttons that open panels.
fn end(side_panels: SidePanels, panels: AnyView) -> AnyView {
    view! {
        {side_panels.left.toggle()}
        {side_panels.right.toggle()}
        {panels}
    }
    .erase()
}

/// The start of the top bar: the way back, the project's name, size and rate.
fn start(store: Store) -> AnyView {
    let facts = words(move || {
        store.state.with(|state| {
            let project = &state.project;
            format!("{} × {} · {} fps", project.width, project.height, project.fps)
        })
    });
    view! {
        <a class="icon-button" href=url_path("/") aria-label="All projects" title="All projects">{Icon::Back.view()}</a>
        <h1 class="studio-name" dir="auto">{words(move || store.state.with(|state| state.project.name.clone()))}</h1>
        <p class="facts">{facts}</p>
    }
    .erase()
}

/// Notices: failed and cancelled tasks, rejected commands, deletions that can be undone.
fn messages(store: Store) -> AnyView {
    let ended = Memo::new(move |_| store.state.with(|state| state.ended.clone()));
    let list = dynamic(move || {
        let rows = ended.get().into_iter().map(|ended| {
            let text = match &ended.error {
                Some(why) => format!("Failed: {why}"),
                None => "Cancelled.".to_owned(),
            };
            view! {
                <li class="message">
                    <p class="message-text">{text}<span class="message-of">{ended.prompt}</span></p>
                    {post_button("button button-small", "/fn/tasks/retry", Act::RetryTask, ended.task_id, "Retry")}
                    {button("button button-small", Act::DismissTask, ended.task_id, "Dismiss")}
                </li>
            }
            .erase()
        });
        rows.collect::<Vec<_>>().into_any()
    });
    let refused = dynamic(move || match store.refused.get() {
        Some(why) => view! {
            <li class="message">
                <p class="message-text" role="alert">{why}</p>
                {button("button button-small", Act::DismissError, "", "Dismiss")}
            </li>
        }
        .erase(),
        None => nothing(),
    });
    let done = dynamic(move || match store.done.get() {
        Some(done) => view! {
            <li class="message">
                <p class="message-text" role="status">{done.text()}</p>
                {button("button button-small", Act::Undo, "", "Undo")}
                {button("button button-small", Act::DismissDone, "", "Dismiss")}
            </li>
        }
        .erase(),
        None => nothing(),
    });
    view! { <ul class="messages">{list}{refused}{done}</ul> }.erase()
}
