//! The panel that exports how the shown take formed: its kind of file, length and easing, then the file.

use crate::{
    browser,
    error::AppError,
    format::size,
    icons::Icon,
    packed::Packed,
    serverfns::exports::{export_formation, get_export},
    studio::{Store, panels::format_label},
    view::{Erase, dynamic, nothing, words},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{Easing, Export, ExportFormat, TakeId, TaskStatus};

/// Interval at which a running export is polled.
const POLL_MS: u32 = 250;
/// Length that the field begins with, seconds.
const SECONDS: &str = "3";

/// A button that opens the panel, and the panel.
pub fn view(store: Store, take: Signal<Option<TakeId>>) -> AnyView {
    let (export, error) = (RwSignal::new(None::<Export>), RwSignal::new(None::<AppError>));
    // The file of another take.
    Effect::new(move |_| {
        take.track();
        export.set(None);
        error.set(None);
    });
    let start = move |_| {
        let Some(take) = take.get_untracked() else { return };
        error.set(None);
        spawn_local(async move {
            if let Err(why) = follow(store, take, export).await {
                error.try_set(Some(why));
            }
        });
    };
    let formats = store.state.with_untracked(|state| state.export_formats.clone()).into_iter();
    let formats = formats.filter(|format| *format != ExportFormat::Zip);
    let formats = options(formats.map(|format| (format.as_str(), format_label(format))));
    let easings = options(Easing::ALL.map(|easing| (easing.as_str(), easing_label(easing))).into_iter());
    let said = words(move || match error.get() {
        Some(error) => crate::error::sentence(&error.problem.to_string()),
        None => export.with(|export| export.as_ref().map(status_text).unwrap_or_default()),
    });
    let file = dynamic(move || match export.with(|export| export.as_ref().and_then(|export| export.path.clone())) {
        Some(path) => {
            view! { <a class="button button-small" href=path download="" rel="external">"Download"</a> }.erase()
        }
        None => nothing(),
    });
    view! {
        <button class="icon-button" type="button" popovertarget="formation" aria-label="Export how it formed" title="Export how it formed">
            {Icon::Export.view()}
        </button>
        <section id="formation" class="flyout" popover="auto" aria-label="Export how it formed">
            <h2 class="flyout-title">"Export how it formed"</h2>
            <div class="field">
                <label for="formation-format">"Format"</label>
                <select id="formation-format">{formats}</select>
            </div>
            <div class="formation-pair">
                <div class="field">
                    <label for="formation-seconds">"Seconds"</label>
                    <input id="formation-seconds" type="number" min="0.5" max="60" step="0.5" inputmode="decimal" value=SECONDS/>
                </div>
                <div class="field">
                    <label for="formation-easing">"Speed"</label>
                    <select id="formation-easing">{easings}</select>
                </div>
            </div>
            <div class="flyout-acts formation-acts">
                <button class="button button-primary" type="button" on:click=start>"Export"</button>
                <p class="flyout-text" role="status">{said}</p>
                {file}
            </div>
        </section>
    }
    .erase()
}

/// Starts the export that the panel's fields describe, and follows it until it has ended.
async fn follow(store: Store, take: TakeId, export: RwSignal<Option<Export>>) -> Result<(), AppError> {
    let value = |field: &str| browser::find(field).and_then(|field| browser::value(&field)).unwrap_or_default();
    let (format, easing) = (value("#formation-format"), value("#formation-easing"));
    let Some(format) = ExportFormat::ALL.into_iter().find(|known| known.as_str() == format) else { return Ok(()) };
    let easing = Easing::ALL.into_iter().find(|known| known.as_str() == easing).unwrap_or_default();
    // What is no number is out of range for the server, which says so.
    let seconds = value("#formation-seconds").trim().parse().unwrap_or_default();
    let started = export_formation(store.project_id(), take, format, seconds, easing).await?.open()?;
    let id = started.id;
    export.try_set(Some(started));
    let is_shown = |export: &Option<Export>| export.as_ref().is_some_and(|export| export.id == id);
    while export.try_with_untracked(is_shown) == Some(true)
        && export.with_untracked(|export| export.as_ref().is_some_and(|export| export.status.is_open()))
    {
        browser::wait(POLL_MS).await;
        let now = get_export(id).await?.map(|job: Packed<Export>| job.open()).transpose()?;
        if export.try_with_untracked(is_shown) == Some(true) {
            export.set(now);
        }
    }
    Ok(())
}

fn options(of: impl Iterator<Item = (&'static str, &'static str)>) -> AnyView {
    of.map(|(value, label)| view! { <option value=value>{label}</option> }.erase()).collect::<Vec<_>>().into_any()
}

fn easing_label(easing: Easing) -> &'static str {
    match easing {
        Easing::Linear => "Even",
        Easing::EaseIn => "Slow at the start",
        Easing::EaseOut => "Slow at the end",
        Easing::EaseInOut => "Slow at both ends",
    }
}

fn status_text(export: &Export) -> String {
    match (export.status, &export.error) {
        (TaskStatus::Completed, _) => size(export.bytes.unwrap_or_default()),
        (_, Some(why)) => format!("Failed: {why}"),
        (TaskStatus::Running, _) => format!("{} of {}", export.done, export.total),
        _ => "Waits".to_owned(),
    }
}
