//! H.264 in MP4, encoded by the installed `ffmpeg`; pictures are written to its standard input.

use crate::{Error, Sequence, Watch};
use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Environment variables passed to ffmpeg: those needed to find and run programs, and for temporary files. The server's
/// own variables contain its password and token, and a process's environment can be read by the same user's other
/// processes.
const ENVIRONMENT: [&str; 12] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SystemRoot",
    "SystemDrive",
    "PATHEXT",
];

/// Interval of calls to the watcher while ffmpeg finishes: it may still have to encode a hundred pictures.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Converts sRGB to the colours that players expect from H.264 in MP4: BT.709, 16 to 235. By default ffmpeg converts
/// with BT.601 and does not write this into the file, and players guess from the size: red came out as (255, 24, 0).
const COLOURS: [&str; 12] = [
    "-vf",
    "scale=in_range=full:out_range=limited:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int",
    "-pix_fmt",
    "yuv420p",
    "-color_range",
    "tv",
    "-colorspace",
    "bt709",
    "-color_primaries",
    "bt709",
    "-color_trc",
    "bt709",
];

/// Whether MP4 can be written on this machine.
pub fn has_ffmpeg() -> bool {
    let mut probe = ffmpeg();
    probe.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn ffmpeg() -> Command {
    let kept = |name: &&str| std::env::var_os(name).map(|value| (OsString::from(name), value));
    let mut command = Command::new("ffmpeg");
    command.env_clear().envs(ENVIRONMENT.iter().filter_map(kept));
    command
}

pub fn write(sequence: &Sequence, out: &Path, watch: Watch<'_>) -> Result<(), Error> {
    let (size, rate) = (format!("{}x{}", sequence.width, sequence.height), sequence.fps.to_string());
    let mut command = ffmpeg();
    command
        .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-video_size", &size, "-framerate", &rate, "-i", "-"])
        .args(COLOURS)
        // Supported by every player: 4:2:0, and the index before the pictures.
        .args(["-c:v", "libx264", "-crf", "16", "-movflags", "+faststart", "-f", "mp4"])
        .arg(out)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut ffmpeg = Running(command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoFfmpeg,
        _ => Error::Write(error),
    })?);
    // Read in another thread: the messages may be longer than a pipe can hold.
    let words = ffmpeg.0.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut said = Vec::new();
            // Messages before a broken pipe are still useful.
            _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        })
    });
    let fed = feed(sequence, &mut ffmpeg, watch);
    if matches!(fed, Err(Error::Cancelled | Error::Pictures(_))) {
        return fed;
    }
    // It ends when its input ends. If it ended earlier, its messages are more helpful than the broken pipe.
    drop(ffmpeg.0.stdin.take());
    let is_good = loop {
        if let Some(status) = ffmpeg.0.try_wait()? {
            break status.success();
        }
        if watch(sequence.stills.len()).is_break() {
            return Err(Error::Cancelled);
        }
        thread::sleep(ASK_EVERY);
    };
    let said = words.and_then(|words| words.join().ok()).unwrap_or_default();
    match (is_good, said.trim().lines().last()) {
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
            // One picture can have a duration of ten thousand frames: 126 GB at 2048 x 2048.
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

/// Kills ffmpeg when the export ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
