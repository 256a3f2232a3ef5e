//! The URLs of pictures.

use protocol::{Frame, Take, TaskSummary};

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

/// The URL while the socket is down: with the time as query.
pub fn picture_unheard(frame: &Frame, now_ms: u64) -> String {
    format!("{}?t={now_ms}", frame.path)
}

/// The URL of a take's picture, with its hash.
pub fn of_take(take: &Take) -> String {
    format!("{}?v={}", take.path, hash(take.etag.as_deref().unwrap_or_default()))
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
}
