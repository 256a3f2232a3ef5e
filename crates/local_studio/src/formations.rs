//! How a take formed, as the pictures of an export.

use crate::{LocalStudio, export_jobs::Pictures, exports::picture_of, problem::problem, traces::out_of_reach};
use ::export::{Picture, Sequence, Still};
use engine::Media;
use protocol::{Easing, Formation, Problem, Project, Take, TaskStatus};
use std::{io, sync::Arc};
use store::KeyedTake;

/// Frames per second of a formation: a whole number of hundredths of a second, GIF's unit, for each.
const FPS: u32 = 25;
/// The finished picture is shown for one of this many parts of the time.
const PARTS: u32 = 5;

impl LocalStudio {
    /// The pictures of a take's steps, scaled to the take's size by the export, and the finished picture.
    pub(crate) async fn formation(&self, project: &Project, of: Formation) -> Result<Pictures, Problem> {
        let keyed = self.store.get_take(of.take_id).await.map_err(problem)?;
        let finished = picture_of(self.media(), &keyed)?;
        let KeyedTake { take, key, .. } = keyed;
        if take.project_id != project.id {
            return Err(Problem::invalid("formation.take_id", format!("take {} is of another project", take.id)));
        }
        if take.status != TaskStatus::Completed {
            return Err(Problem::Conflict(format!("take {} is not finished", take.id)));
        }
        let (media, fps) = (Arc::clone(self.media()), FPS);
        let (width, height, take_id) = (take.width, take.height, take.id);
        let read = tokio::task::spawn_blocking(move || stills(&media, &take, &key, of, finished));
        let stills = read.await.map_err(|_| Problem::Internal)??;
        let sequence = Sequence { stills, fps, width, height };
        Ok(Pictures { sequence, frames: Vec::new(), skipped: 0, take: Some(take_id) })
    }
}

fn stills(
    media: &Media,
    take: &Take,
    key: &str,
    of: Formation,
    finished_picture: Picture,
) -> Result<Vec<Still>, Problem> {
    let unreadable = |error: trace::Error| match error {
        trace::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => no_trace(take),
        error => out_of_reach(&error)
            .unwrap_or_else(|| Problem::Conflict(format!("the trace of take {} cannot be read: {error}", take.id))),
    };
    let mut trace = media.open_trace(key).map_err(unreadable)?;
    let steps: Vec<u32> = trace.pictures().map(|(step, _)| step).collect();
    if steps.is_empty() {
        return Err(no_trace(take));
    }
    let mut durations = durations(steps.len(), of);
    let finished = durations.pop().unwrap_or_default();
    let mut stills = Vec::new();
    // A picture that is not shown is not read.
    for (step, duration) in steps.into_iter().zip(durations).filter(|(_, duration)| *duration > 0) {
        let png = trace.picture(step).map_err(unreadable)?;
        stills.extend(png.map(|png| Still { picture: Picture::Png(png), duration }));
    }
    stills.push(Still { picture: finished_picture, duration: finished });
    Ok(stills)
}

/// For how many frames each step is shown, and at the end the finished picture.
fn durations(steps: usize, of: Formation) -> Vec<u32> {
    let easing = match of.easing {
        Easing::Linear => ::export::Easing::Linear,
        Easing::EaseIn => ::export::Easing::EaseIn,
        Easing::EaseOut => ::export::Easing::EaseOut,
        Easing::EaseInOut => ::export::Easing::EaseInOut,
    };
    let frames = (of.seconds * f64::from(FPS)).round() as u32;
    let finished = (frames / PARTS).max(1);
    let mut durations = easing.durations(steps, frames - finished);
    durations.push(finished);
    durations
}

fn no_trace(take: &Take) -> Problem {
    Problem::Conflict(format!(
        "take {} has no trace: it was made while the setting trace was off, or imported, or its trace was removed to save space",
        take.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::TakeId;

    #[test]
    fn the_chosen_length_is_kept_and_the_finished_picture_has_a_fifth_of_it() {
        for easing in Easing::ALL {
            for (seconds, frames) in [(0.5, 13), (3.0, 75), (60.0, 1500)] {
                for steps in [1, 4, 20, 1000] {
                    let durations = durations(steps, Formation { take_id: TakeId(1), seconds, easing });
                    assert_eq!((durations.len(), durations.iter().sum::<u32>()), (steps + 1, frames));
                    assert_eq!(durations.last(), Some(&(frames / 5)));
                }
            }
        }
    }
}
