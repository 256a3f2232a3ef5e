//! Makes old deletions final.

use crate::state::AppState;
use engine::{LostFound, ORPHANS_KEPT_FOR, lost_found};
use protocol::Bin;
use std::{error::Error, time::Duration};
use store::StoreError;

/// Interval of the search for old deletions.
const PURGE_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long a deletion can be undone.
const UNDO_FOR: Duration = Bin::KEPT_FOR;

/// Purges old deletions and old folders of `lost+found`, now and every hour, until the server stops.
pub async fn run(state: AppState, lost_found: LostFound) {
    loop {
        let old = lost_found.clone();
        // Removing many files blocks.
        match tokio::task::spawn_blocking(move || old.purge(lost_found::KEPT_FOR)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(folders)) => tracing::info!(folders, "removed folders of lost+found that were older than 30 days"),
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove old folders of lost+found"),
        }
        state.services.remove_forgotten_exports().await;
        match purge_once(&state).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(pictures = count, "purged old deletions"),
            Err(error) => tracing::warn!(error = &error as &dyn Error, "cannot purge old deletions"),
        }
        collect_orphans(&state).await;
        tokio::select! {
            () = tokio::time::sleep(PURGE_EVERY) => {}
            () = state.stopping.cancelled() => return,
        }
    }
}

/// Removes objects without a row, if the pictures are objects.
async fn collect_orphans(state: &AppState) {
    let Some(pictures) = state.services.engine().media().pictures() else { return };
    match engine::collect_orphans(&state.store, pictures.objects(), ORPHANS_KEPT_FOR).await {
        Ok(0) => {}
        Ok(objects) => tracing::info!(objects, "removed objects without a row"),
        Err(error) => tracing::warn!(%error, "cannot remove objects without a row; trying again in an hour"),
    }
}

/// Returns the number of pictures removed. Rows go first: after a crash in between, the next start moves a picture without a row
/// to lost+found.
async fn purge_once(state: &AppState) -> Result<usize, StoreError> {
    let mut keys = state.store.purge_projects(UNDO_FOR).await?.take_keys;
    keys.extend(state.store.purge_frames(UNDO_FOR).await?);
    keys.extend(state.store.purge_takes(UNDO_FOR).await?);
    state.store.purge_styles(UNDO_FOR).await?;
    let media = state.services.engine().media();
    for key in &keys {
        if let Err(error) = media.remove(key) {
            tracing::warn!(key, %error, "cannot remove a picture; the next start removes it");
        }
    }
    Ok(keys.len())
}
