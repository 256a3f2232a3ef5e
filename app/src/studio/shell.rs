//! The studio's layout, and the one listener for its buttons.

use super::{
    Store, act,
    form::Form,
    inspector::Inspector,
    panels::{Export, Log, panels},
    panes::Panes,
    strip::Strip,
    viewer::{Stage, viewer},
};
use crate::{
    components::{Icon, TopBar},
    live::Live,
    view::{button, dynamic, nothing, post_button, words},
};
use leptos::{ev, prelude::*};
use protocol::url_path;

/// One project's studio, from what the server has read.
#[component]
pub fn Studio(
    /// Everything that it shows at first.
    studio: protocol::Studio,
) -> impl IntoView {
    let live = Live::expect();
    let store = Store::new(studio);
    live.listen(move |text| store.hear(text), move || store.socket_path());
    #[cfg(feature = "browser")]
    {
        super::pictures::follow(store, live);
        let name = Memo::new(move |_| store.state.with(|state| state.project.name.clone()));
        Effect::new(move |_| document().set_title(&crate::page::title(&name.get())));
    }
    let (form, stage) = (Form::new(store), Stage::new(store));
    let (inspector, strip) = (Inspector::new(store), Strip::new(store));
    let (export, log) = (Export::new(store), Log::new(live));
    let panes = Panes::new();
    let click = move |event: ev::MouseEvent| {
        if let Some((name, id)) = act::pressed(&event)
            && (act::act(store, &name, id)
                || strip.click(&name, &event, id)
                || strip.act(&name, id)
                || stage.act(&name)
                || inspector.act(&name, id)
                || export.act(&name, id)
                || log.act(&name)
                || panes.act(&name)
                || form.act(&name, &event))
        {
            event.prevent_default();
        }
    };
    let layout = words(move || {
        let folded = |pane: super::panes::Pane, class| if pane.is_folded() { class } else { "" };
        format!("studio{}{}", folded(panes.left, " maker-folded"), folded(panes.right, " inspector-folded"))
    });
    view! {
        <div class="studio-root" on:click=click>
        <TopBar start=start(store) end=end(panes, panels(store, export, log))/>
        <main id="main" class=layout tabindex="-1">
            {form.view()}
            {panes.left.edge()}
            {viewer(store, stage)}
            {panes.right.edge()}
            {inspector.view(strip)}
            {strip.view()}
            {messages(store)}
            <p class="visually-hidden" role="status">{words(move || store.state.with(|state| state.spoken.clone()))}</p>
        </main>
        </div>
    }
}

/// At the bar's end: which panels are shown, then those that open.
fn end(panes: Panes, panels: AnyView) -> AnyView {
    view! {
        {panes.left.toggle()}
        {panes.right.toggle()}
        {panels}
    }
    .into_any()
}

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
    .into_any()
}

/// What ended without a picture, and what was refused.
fn messages(store: Store) -> AnyView {
    let ended = Memo::new(move |_| store.state.with(|state| state.ended.clone()));
    let list = dynamic(move || {
        let told = ended.get().into_iter().map(|ended| {
            let text = match &ended.error {
                Some(why) => format!("Failed: {why}"),
                None => "Cancelled.".to_owned(),
            };
            view! {
                <li class="message">
                    <p class="message-text">{text}<span class="message-of">{ended.prompt}</span></p>
                    {post_button("button button-small", "/fn/tasks/retry", "retry", ended.task_id, "Retry")}
                    {button("button button-small", "dismiss", ended.task_id, "Dismiss")}
                </li>
            }
            .into_any()
        });
        told.collect::<Vec<_>>().into_any()
    });
    let refused = dynamic(move || match store.refused.get() {
        Some(why) => view! {
            <li class="message" role="alert">
                <p class="message-text">{why}</p>
                {button("button button-small", "understood", "", "Dismiss")}
            </li>
        }
        .into_any(),
        None => nothing(),
    });
    view! { <ul class="messages">{list}{refused}</ul> }.into_any()
}
