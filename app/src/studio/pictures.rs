//! Fetches pictures, decodes them off the page, and only then puts them on it. In the browser only.

use super::{
    Store,
    panels::MOTION,
    refresh::{Beat, Pace},
};
use crate::{
    browser,
    live::{Connection, Live},
    theme,
};
use gloo_timers::callback::Interval;
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::FrameId;
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlImageElement;

/// Follows the state from now on, until the owner is cleaned up: at each event what has become due at once,
/// and by the interval what forms.
pub fn follow(store: Store, live: Live) {
    Effect::new(move |before: Option<()>| {
        // Not before hydration: the server's page shows the usual pace, and what hydration takes to be the same is not
        // written again.
        if let (None, Some(pace)) = (before, browser::recall("pace").and_then(|name| Pace::from_name(&name))) {
            store.pace.set(pace);
        }
        if let (None, Some(motion)) = (before, browser::recall(MOTION)) {
            theme::set_root_data(MOTION, &motion);
        }
        store.state.track();
        let gone_or_new = store.state.with_untracked(|state| {
            store.pictures.try_update_untracked(|pictures| pictures.keep_up(state)).unwrap_or_default()
        });
        if gone_or_new {
            store.pictures.notify();
        }
        fetch(store, live, store.pace.get() == Pace::Live);
    });
    let busy = Memo::new(move |_| {
        store.pictures.track();
        store.state.with(|state| store.pictures.with_untracked(|pictures| pictures.is_busy(state)))
    });
    let seen = RwSignal::new(!browser::hidden());
    let watch = window_event_listener(ev::visibilitychange, move |_| {
        seen.set(!browser::hidden());
        fetch(store, live, true);
    });
    on_cleanup(move || watch.remove());
    // The interval lives in its effect's own value: it ends when the effect runs again, or is cleaned up.
    let beat = Memo::new(move |before: Option<&Beat>| {
        let pace = store.pace.get();
        store.state.with(|state| Beat::next(before.copied(), pace, &state.tasks))
    });
    Effect::new(move |_| {
        let period = beat.get().period_ms;
        (busy.get() && seen.get()).then(|| Interval::new(period, move || fetch(store, live, true)))
    });
}

/// Fetches what is due.
fn fetch(store: Store, live: Live, forming: bool) {
    if browser::hidden() {
        return;
    }
    let lost = live.connection.get_untracked() == Connection::Lost;
    let due = store.state.with_untracked(|state| {
        let clock = lost.then(browser::now_ms);
        store.pictures.try_update_untracked(|pictures| pictures.due(state, forming, clock)).unwrap_or_default()
    });
    for (id, address) in due {
        spawn_local(load(store, live, id, address));
    }
}

/// One picture: fetched and decoded by an image that is on no page, then shown. The image is dropped, and
/// with it the picture before, as soon as the page has the new one.
async fn load(store: Store, live: Live, id: FrameId, address: String) {
    let decoded = match HtmlImageElement::new() {
        Ok(image) => {
            image.set_src(&address);
            JsFuture::from(image.decode()).await.is_ok()
        }
        Err(_) => false,
    };
    store.pictures.try_update(|pictures| pictures.arrived(id, &address, decoded));
    // The finished picture may have become due while a preview was under way.
    if decoded && store.state.try_with_untracked(|_| ()).is_some() {
        fetch(store, live, store.pace.get_untracked() == Pace::Live);
    }
}
