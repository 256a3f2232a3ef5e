//! The URLs of pictures.

use protocol::{Frame, THUMBNAIL_SIDES_PX, Take, TaskSummary, thumbnail_url};

/// The URL of a frame's picture. A preview has its attempt and step as query, so that none is fetched twice; a finished
/// picture has its hash, so that it can be cached for ever.
pub fn picture(frame: &Frame, tasks: &[TaskSummary]) -> String {
    if !frame.status.is_generating() {
        return match &frame.etag {
            Some(etag) => format!("{}?v={}", frame.path, hash(etag)),
            None => frame.path.clone(),
        };
    }
    let task = tasks.iter().find(|task| task.task_id == frame.task_id);
    let (attempt, step) = task.map_or((0, 0), |task| (task.attempt, task.step));
    format!("{}?t={attempt}.{step}", frame.path)
}

/// The URL of the preview of a task.
pub fn of_task(task: &TaskSummary) -> String {
    format!("{}?t={}.{}", task.preview_path, task.attempt, task.step)
}

/// The URL while the socket is down: with the time as query.
pub fn picture_unheard(frame: &Frame, now_ms: u64) -> String {
    format!("{}?t={now_ms}", frame.path)
}

/// The URL of a take's picture, with its hash.
pub fn of_take(take: &Take) -> String {
    format!("{}?v={}", take.path, hash(take.etag.as_deref().unwrap_or_default()))
}

/// The URL of a smaller copy of the finished picture at `url`, for a place of `place_px` CSS pixels, with two device pixels for each.
/// A preview or a picture that is not larger has none; then the URL itself.
///
/// `sides`: the picture's width and height, pixels.
pub fn thumbnail(url: String, sides: (u32, u32), place_px: u32) -> String {
    let [.., largest] = THUMBNAIL_SIDES_PX;
    let side_px = THUMBNAIL_SIDES_PX.into_iter().find(|side| *side >= 2 * place_px).unwrap_or(largest);
    match url.contains("?v=") && sides.0.max(sides.1) > side_px {
        true => thumbnail_url(&url, side_px),
        false => url,
    }
}

/// The hash in an `ETag`, without quotes.
pub fn hash(etag: &str) -> String {
    etag.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::{frame, task};
    use protocol::FrameStatus;

    #[test]
    fn a_preview_is_asked_for_by_its_attempt_and_step_and_a_picture_by_its_hash() {
        let mut tasks = vec![task(1)];
        (tasks[0].attempt, tasks[0].step) = (2, 17);
        let mut of = frame(1);
        of.status = FrameStatus::Running;
        assert_eq!(picture(&of, &tasks), "/media/k1.png?t=2.17");
        assert_eq!(picture(&of, &[]), "/media/k1.png?t=0.0");
        assert_eq!(picture_unheard(&of, 1234), "/media/k1.png?t=1234");
        of.status = FrameStatus::Ready;
        of.etag = Some("\"ab-12\"".into());
        assert_eq!(picture(&of, &tasks), "/media/k1.png?v=ab12");
        of.etag = None;
        assert_eq!(picture(&of, &tasks), "/media/k1.png");
    }

    #[test]
    fn only_large_finished_pictures_have_thumbnails() {
        let of = |url: &str, side, place_px| thumbnail(url.to_owned(), (side, 64), place_px);
        assert_eq!(of("/media/k1.png?v=ab", 1024, 96), "/media/k1/320.jpg?v=ab");
        assert_eq!(of("/media/k1.png?v=ab", 1024, 64), "/media/k1/160.jpg?v=ab");
        assert_eq!(of("/media/k1.png?v=ab", 1024, 4000), "/media/k1/640.jpg?v=ab");
        for (url, side) in [("/media/k1.png?v=ab", 320), ("/media/k1.png?t=1.2", 1024), ("/media/k1.png", 1024)] {
            assert_eq!(of(url, side, 96), url);
        }
    }
}
