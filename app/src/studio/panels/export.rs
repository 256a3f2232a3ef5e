//! Exports of the sequence: choose a format, follow the progress, download.

use crate::{
    act::clicked,
    browser,
    buttons::{button, icon_button},
    error::AppError,
    packed::Packed,
    serverfns::exports::{create_export, delete_export, get_export, list_exports},
    studio::Store,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Export as Job, ExportFormat, ExportId, TaskStatus};

/// Interval at which a running export is polled.
const POLL_MS: u32 = 250;
/// The actions of the panel's buttons.
const EXPORT: &str = "export";
const DELETE: &str = "delete-export";

/// The panel's state: the project's exports, newest first.
#[derive(Clone, Copy)]
pub struct Export {
    store: Store,
    jobs: RwSignal<Vec<Job>>,
}

impl Export {
    /// The state for a studio; reads the project's exports and follows those that are still running.
    pub fn new(store: Store) -> Self {
        let export = Self { store, jobs: RwSignal::new(Vec::new()) };
        Effect::new(move |_| {
            let project = store.project_id();
            spawn_local(async move {
                // A failure shows no error: the panel then lists only the exports of this page.
                let Ok(jobs) = list_exports(project).await.and_then(|jobs| jobs.open()) else { return };
                let open: Vec<ExportId> = jobs.iter().filter(|job| job.status.is_open()).map(|job| job.id).collect();
                export.jobs.try_set(jobs);
                open.into_iter().for_each(|id| export.follow(id));
            });
        });
        export
    }

    /// Carries out the action of the button that was clicked.
    fn click(self, event: &ev::MouseEvent) {
        match clicked(event) {
            Some((act, _)) if act == EXPORT => self.start(),
            Some((act, id)) if act == DELETE => self.delete(ExportId(id)),
            _ => {}
        }
    }

    /// Deletes an export.
    fn delete(self, id: ExportId) {
        self.jobs.update(|jobs| jobs.retain(|job| job.id != id));
        self.store.run(delete_export(id));
    }

    /// Starts an export in the chosen format.
    fn start(self) {
        let chosen = browser::find("#export-format").and_then(|field| browser::value(&field)).unwrap_or_default();
        let Some(format) = ExportFormat::ALL.into_iter().find(|format| format.as_str() == chosen) else { return };
        let (store, project) = (self.store, self.store.project_id());
        spawn_local(async move {
            match create_export(project, format).await.and_then(|job| job.open()) {
                Ok(job) => {
                    let id = job.id;
                    self.jobs.try_update(|jobs| jobs.insert(0, job));
                    self.follow(id);
                }
                Err(error) => store.refuse(error),
            }
        });
    }

    /// Polls an export until it has ended.
    fn follow(self, id: ExportId) {
        spawn_local(async move {
            loop {
                browser::wait(POLL_MS).await;
                let is_shown = |jobs: &Vec<Job>| jobs.iter().any(|job| job.id == id);
                if self.jobs.try_with_untracked(is_shown) != Some(true) {
                    return;
                }
                let job = match get_export(id).await.and_then(|job| job.map(|job: Packed<Job>| job.open()).transpose())
                {
                    Ok(Some(job)) => job,
                    // Deleted elsewhere, or the server was restarted.
                    Ok(None) => {
                        self.jobs.try_update(|jobs| jobs.retain(|job| job.id != id));
                        return;
                    }
                    Err(AppError { .. }) => continue,
                };
                let has_ended = !job.status.is_open();
                self.jobs.try_update(|jobs| {
                    if let Some(known) = jobs.iter_mut().find(|known| known.id == id) {
                        *known = job;
                    }
                });
                if has_ended {
                    return;
                }
            }
        });
    }

    /// The panel's content.
    pub fn content(self) -> AnyView {
        let formats = self.store.state.with_untracked(|state| state.export_formats.clone());
        let options: Vec<AnyView> = formats
            .into_iter()
            .map(|format| view! { <option value=format.as_str()>{label(format)}</option> }.erase())
            .collect();
        let ids = Memo::new(move |_| self.jobs.with(|jobs| jobs.iter().map(|job| job.id.0).collect::<Vec<_>>()));
        view! {
            <div class="export-content" on:click=move |event: ev::MouseEvent| self.click(&event)>
                <div class="field">
                    <label for="export-format">"Format"</label>
                    <select id="export-format">{options}</select>
                </div>
                <div class="flyout-acts">{button("button button-primary", EXPORT, "", "Export")}</div>
                <ul class="export-list">{crate::view::list(ids.into(), move |id| self.row(ExportId(id)))}</ul>
            </div>
        }
        .erase()
    }

    fn row(self, id: ExportId) -> AnyView {
        let job = Memo::new(move |_| self.jobs.with(|jobs| jobs.iter().find(|job| job.id == id).cloned()));
        let status = words(move || job.with(|job| job.as_ref().map(status_text).unwrap_or_default()));
        let progress = dynamic(move || {
            let far = job.with(|job| job.as_ref().filter(|job| job.status.is_open()).map(|job| (job.done, job.total)));
            match far {
                Some((done, total)) => {
                    view! { <progress class="export-progress" max=total value=done aria-label="Export"></progress> }
                        .erase()
                }
                None => nothing(),
            }
        });
        let file = dynamic(move || match job.with(|job| job.as_ref().and_then(|job| job.path.clone())) {
            Some(path) => {
                view! { <a class="button button-small" href=path download="" rel="external">"Download"</a> }.erase()
            }
            None => nothing(),
        });
        view! {
            <li class="export-row">
                <p class="export-stand">{status}</p>
                {file}
                {icon_button(DELETE, id, "Remove this export", crate::icons::Icon::Close)}
                {progress}
            </li>
        }
        .erase()
    }
}

/// The label of a format.
pub fn label(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Zip => "PNG sequence (ZIP)",
        ExportFormat::Gif => "GIF, 256 colours",
        ExportFormat::Apng => "APNG, lossless",
        ExportFormat::Webp => "WebP, lossless",
        ExportFormat::Mp4 => "MP4 video",
    }
}

/// The status of an export as text.
fn status_text(job: &Job) -> String {
    let kind = job.format.as_str().to_uppercase();
    let skipped = match job.skipped {
        0 => String::new(),
        1 => ", 1 unfinished frame left out".to_owned(),
        n => format!(", {n} unfinished frames left out"),
    };
    match (job.status, &job.error) {
        (TaskStatus::Queued, _) => format!("{kind}: waiting"),
        (TaskStatus::Running, _) => format!("{kind}: {} of {}", job.done, job.total),
        (TaskStatus::Completed, _) => {
            format!("{kind}, {}{skipped}", crate::format::size(job.bytes.unwrap_or_default()))
        }
        (_, Some(why)) => format!("{kind} failed: {why}"),
        (_, None) => format!("{kind}: cancelled"),
    }
}
