//! The studio's layout, and the one listener for its buttons.

use super::{
    Store, act,
    form::Form,
    inspector::Inspector,
    panels::{Log, panels},
    strip::Strip,
    viewer::{Stage, viewer},
};
use crate::{
    components::{Icon, PageTitle, TopBar},
    live::Live,
    view::{button, dynamic, nothing, post_button, words},
};
use leptos::{ev, prelude::*};

/// One project's studio, from what the server has read.
#[component]
pub fn Studio(
    /// Everything that it shows at first.
    studio: protocol::Studio,
) -> impl IntoView {
    let live = Live::expect();
    let store = Store::new(studio);
    live.studio.set(Some(store));
    on_cleanup(move || {
        // The next studio may be there already.
        if live.studio.get_untracked().is_some_and(|open| open.state == store.state) {
            live.studio.set(None);
        }
    });
    #[cfg(feature = "browser")]
    {
        if let Some(pace) = crate::browser::recall("pace").and_then(|name| super::refresh::Pace::from_name(&name)) {
            store.pace.set(pace);
        }
        super::pictures::follow(store, live);
    }
    let (form, stage) = (Form::new(store), Stage::new(store));
    let (inspector, strip) = (Inspector::new(store), Strip::new(store));
    let log = Log::new(live);
    let click = move |event: ev::MouseEvent| {
        if let Some((name, id)) = act::pressed(&event)
            && (act::act(store, &name, id)
                || strip.act(&name, id)
                || stage.act(&name)
                || inspector.act(&name, id)
                || log.act(&name)
                || form.act(&name, &event))
        {
            event.prevent_default();
        }
    };
    view! {
        <PageTitle text=words(move || store.state.with(|state| state.project.name.clone()))/>
        <div class="studio-root" on:click=click>
        <TopBar start=start(store) end=panels(store, log)/>
        <main id="main" class="studio" tabindex="-1">
            {form.view()}
            {viewer(store, stage)}
            {inspector.view()}
            {strip.view()}
            {messages(store)}
            <p class="visually-hidden" role="status">{words(move || store.state.with(|state| state.spoken.clone()))}</p>
        </main>
        </div>
    }
}

fn start(store: Store) -> AnyView {
    let facts = words(move || {
        store.state.with(|state| {
            let project = &state.project;
            format!("{} × {} · {} fps", project.width, project.height, project.fps)
        })
    });
    view! {
        <a class="icon-button" href="/" aria-label="All projects" title="All projects">{Icon::Back.view()}</a>
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
