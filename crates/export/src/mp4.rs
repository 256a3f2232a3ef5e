//! H.264 in MP4, by the `ffmpeg` of the machine: pictures go into its standard input.

use crate::{Error, Sequence, Watch};
use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Whether MP4 can be made on this machine.
pub fn has_ffmpeg() -> bool {
    let mut probe = Command::new("ffmpeg");
    probe.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

pub fn write(sequence: &Sequence, out: &Path, watch: Watch<'_>) -> Result<(), Error> {
    let (size, rate) = (format!("{}x{}", sequence.width, sequence.height), sequence.fps.to_string());
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-video_size", &size, "-framerate", &rate, "-i", "-"])
        // What every player takes: 4:2:0, and the index before the pictures.
        .args(["-c:v", "libx264", "-crf", "16", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"])
        .arg(out)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut ffmpeg = Running(command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoFfmpeg,
        _ => Error::Write(error),
    })?);
    let fed = feed(sequence, &mut ffmpeg, watch);
    if matches!(fed, Err(Error::Cancelled | Error::Picture { .. })) {
        return fed;
    }
    // It ends when its input does; when it has ended before, its own words say more than the broken pipe.
    drop(ffmpeg.0.stdin.take());
    let mut said = String::new();
    if let Some(mut stderr) = ffmpeg.0.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    match (ffmpeg.0.wait()?.success(), said.trim().lines().last()) {
        (true, _) => fed,
        (false, Some(line)) => Err(Error::Encode(format!("ffmpeg: {line}"))),
        (false, None) => Err(Error::Encode("ffmpeg failed".to_owned())),
    }
}

fn feed(sequence: &Sequence, ffmpeg: &mut Running, watch: Watch<'_>) -> Result<(), Error> {
    let input = ffmpeg.0.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe).map_err(io::Error::from)?;
    for (place, still) in sequence.stills.iter().enumerate() {
        let picture = sequence.picture(place)?;
        for _ in 0..still.duration.max(1) {
            // One picture can stand for ten thousand: 126 GB at 2048 x 2048.
            if watch(place).is_break() {
                return Err(Error::Cancelled);
            }
            input.write_all(picture.as_raw())?;
        }
    }
    match watch(sequence.stills.len()).is_break() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}

/// Does not outlive its export.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
