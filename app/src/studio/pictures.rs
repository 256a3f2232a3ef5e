//! Fetches and decodes pictures before they are shown. In the browser only.

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

/// Fetches pictures until the owner is cleaned up: finished ones at each event, previews at the refresh interval.
pub fn follow(store: Store, live: Live) {
    Effect::new(move |before: Option<()>| {
        // Not before hydration: the server renders the default pace, and hydration does not correct different values.
        if let (None, Some(pace)) = (before, browser::recall("pace").and_then(|name| Pace::from_name(&name))) {
            store.pace.set(pace);
        }
        if let (None, Some(motion)) = (before, browser::recall(MOTION)) {
            theme::set_root_data(MOTION, &motion);
        }
        store.state.track();
        let changed = store.state.with_untracked(|state| {
            store.pictures.try_update_untracked(|pictures| pictures.sync_frames(state)).unwrap_or_default()
        });
        if changed {
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
    // The interval is the effect's value: it is dropped when the effect runs again or is cleaned up.
    let beat = Memo::new(move |before: Option<&Beat>| {
        let pace = store.pace.get();
        store.state.with(|state| Beat::next(before.copied(), pace, &state.tasks))
    });
    Effect::new(move |_| {
        let period = beat.get().period_ms;
        (busy.get() && seen.get()).then(|| Interval::new(period, move || fetch(store, live, true)))
    });
}

/// Fetches the pictures that are due.
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

/// Fetches and decodes one picture in an image outside the page, then shows it.
async fn load(store: Store, live: Live, id: FrameId, address: String) {
    let decoded = browser::decoded(&address).await;
    store.pictures.try_update(|pictures| pictures.arrived(id, &address, decoded));
    // The finished picture may have become due during the request.
    if decoded && store.state.try_with_untracked(|_| ()).is_some() {
        fetch(store, live, store.pace.get_untracked() == Pace::Live);
    }
}
