//! Settings of this browser (refresh interval, motion) and of the server (previews, traces, interrupted tasks, models in memory).

use crate::{
    browser,
    serverfns::settings::update_settings,
    studio::{Store, form::view::method_label, refresh::Pace, state::StudioState},
    theme,
    view::Erase,
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Interrupted, PreviewMethod, SettingsPatch, TraceLevel, url_path};

/// Storage key of the motion setting; also the name of `<html data-motion>`.
pub const MOTION: &str = "motion";

/// The panel's content.
pub fn content(store: Store) -> AnyView {
    let pace = store.pace.get();
    let settings = store.state.with(|state| state.settings.clone());
    let paces = Pace::ALL.map(|pace| {
        let label = match pace {
            Pace::Live => "At each step",
            Pace::Half => "Every 0.5 s",
            Pace::One => "Every second",
            Pace::Two => "Every 2 s",
        };
        (pace.as_str(), label)
    });
    let motions = [("system", "Match system"), ("less", "Reduced")];
    let motion = browser::recall(MOTION).unwrap_or_default();
    let methods: Vec<_> = PreviewMethod::ALL.iter().map(|method| (method.as_str(), method_label(*method))).collect();
    let intervals = [("0", "Every step"), ("250", "0.25 s"), ("500", "0.5 s"), ("1000", "1 s"), ("2000", "2 s")];
    let policies = [("requeue", "Start again"), ("fail", "Mark as failed")];
    let models = [("1", "1"), ("2", "2"), ("3", "3"), ("4", "4"), ("6", "6"), ("8", "8"), ("16", "16")];
    let policy = match settings.interrupted {
        Interrupted::Requeue => "requeue",
        Interrupted::Fail => "fail",
    };
    let traces = [("off", "Nothing"), ("looking", "Its steps"), ("all", "Its steps, to branch from")];
    let trace = match settings.trace {
        TraceLevel::Off => "off",
        TraceLevel::Looking => "looking",
        TraceLevel::All => "all",
    };
    view! {
        <div class="settings" on:change=move |event| changed(store, &event)>
            {choice("pace", "Update previews on this page", &paces, pace.as_str())}
            {choice(MOTION, "Motion", &motions, &motion)}
            {choice("preview_method", "Previews", &methods, settings.preview_method.as_str())}
            {choice("preview_interval_ms", "Minimum time between previews", &intervals, &settings.preview_interval_ms.to_string())}
            {choice("trace", "Keep of a picture that forms", &traces, trace)}
            {choice("interrupted", "After a restart, unfinished pictures", &policies, policy)}
            {choice("models_in_memory", "Models in memory at most", &models, &settings.models_in_memory.to_string())}
            <p><a href=url_path("/workers")>"Servers and workers"</a></p>
        </div>
    }
    .erase()
}

fn choice(name: &'static str, label: &'static str, options: &[(&'static str, &'static str)], chosen: &str) -> AnyView {
    let options: Vec<AnyView> = options
        .iter()
        .map(|&(value, label)| view! { <option value=value selected=value == chosen>{label}</option> }.erase())
        .collect();
    let id = format!("setting-{name}");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id name=name>{options}</select>
        </div>
    }
    .erase()
}

fn changed(store: Store, event: &ev::Event) {
    let Some(field) = browser::target(event) else { return };
    let (name, value) = (field.get_attribute("name").unwrap_or_default(), browser::value(&field).unwrap_or_default());
    let none = SettingsPatch::default();
    let patch = match name.as_str() {
        "pace" => return Pace::from_name(&value).map_or((), |pace| store.set_pace(pace)),
        MOTION => {
            browser::remember(MOTION, &value);
            return theme::set_root_data(MOTION, &value);
        }
        "preview_method" => SettingsPatch { preview_method: value.parse().ok(), ..none },
        "preview_interval_ms" => SettingsPatch { preview_interval_ms: value.parse().ok(), ..none },
        "trace" => {
            let level = match value.as_str() {
                "off" => TraceLevel::Off,
                "all" => TraceLevel::All,
                _ => TraceLevel::Looking,
            };
            SettingsPatch { trace: Some(level), ..none }
        }
        "models_in_memory" => SettingsPatch { models_in_memory: value.parse().ok(), ..none },
        _ => {
            let policy = if value == "fail" { Interrupted::Fail } else { Interrupted::Requeue };
            SettingsPatch { interrupted: Some(policy), ..none }
        }
    };
    spawn_local(async move {
        let SettingsPatch { preview_method, preview_interval_ms, interrupted, models_in_memory, trace, .. } =
            patch.clone();
        match update_settings(preview_method, preview_interval_ms, interrupted, models_in_memory, trace).await {
            Ok(()) => _ = store.state.try_update(|state| apply(state, patch)),
            Err(error) => store.refuse(error),
        }
    });
}

/// Applies the change that the server has accepted.
fn apply(state: &mut StudioState, patch: SettingsPatch) {
    if let Ok(settings) = patch.applied(state.settings.clone()) {
        state.settings = settings;
    }
}
