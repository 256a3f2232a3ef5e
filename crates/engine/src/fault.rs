//! Faults on purpose, for tests of the recovery: what a lost device or a full disk leaves behind is seen on the real
//! worker. Only the hidden option `--inject-fault` of `emberline serve` asks for one.

use std::{
    io,
    num::NonZeroU32,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::StoreError;

/// A fault that comes once in an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// The device is lost at this sampling step, 1 for the first. Written `device@STEP`.
    Device(NonZeroU32),
    /// Something fails for so many seconds, from when the first task is taken. Written `disk-full@SECONDS`.
    Passing(PassingFault, NonZeroU32),
}

/// What fails for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassingFault {
    /// `disk-full`: no picture can be written.
    DiskFull,
    /// `read-only`: no picture can be written.
    ReadOnly,
    /// `too-many-files`: nothing can be opened: no picture, no model.
    TooManyFiles,
    /// `database-full`: the workers' changes are refused.
    DatabaseFull,
}

impl PassingFault {
    const ALL: [(&str, Self); 4] = [
        ("disk-full", Self::DiskFull),
        ("read-only", Self::ReadOnly),
        ("too-many-files", Self::TooManyFiles),
        ("database-full", Self::DatabaseFull),
    ];
}

/// What names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no fault {0:?}; it is device@STEP, the sampling step at which the device is lost, 1 for the first, or one \
     of disk-full, read-only, too-many-files and database-full with @SECONDS, how long it lasts"
)]
pub struct UnknownFault(pub String);

impl FromStr for InjectedFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('@').and_then(|(name, number)| {
            let number = number.parse().ok()?;
            match name {
                "device" => Some(Self::Device(number)),
                _ => {
                    let known = PassingFault::ALL.iter().find(|(known, _)| *known == name);
                    known.map(|(_, what)| Self::Passing(*what, number))
                }
            }
        });
        parsed.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// The fault that is still to come, or lasts.
#[derive(Debug)]
pub(crate) struct PendingFault {
    /// The step at which the device is lost; 0 when it is not, or no more.
    device: AtomicU32,
    passing: Option<(PassingFault, Duration)>,
    began: OnceLock<Instant>,
}

impl PendingFault {
    pub(crate) fn new(fault: Option<InjectedFault>) -> Self {
        let (device, passing) = match fault {
            None => (0, None),
            Some(InjectedFault::Device(step)) => (step.get(), None),
            Some(InjectedFault::Passing(what, s)) => (0, Some((what, Duration::from_secs(s.get().into())))),
        };
        Self { device: AtomicU32::new(device), passing, began: OnceLock::new() }
    }

    /// The first task is taken: a fault that passes begins.
    pub(crate) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// At each sampling step, on the sampler's thread: the first that reaches the fault's step panics, as burn
    /// does when wgpu fails under it. Once: the same task, tried again, passes.
    pub(crate) fn reach(&self, step: u32) {
        let is_here = step > 0 && self.device.compare_exchange(step, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_here {
            panic!("device lost (injected)");
        }
    }

    /// What lasts now.
    fn now(&self) -> Option<PassingFault> {
        let (what, lasts) = self.passing?;
        self.began.get().filter(|began| began.elapsed() < lasts).map(|_| what)
    }

    /// The error of a write, in the operating system's own kinds.
    pub(crate) fn writing(&self) -> io::Result<()> {
        match self.now() {
            Some(PassingFault::DiskFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(PassingFault::ReadOnly) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => self.opening(),
        }
    }

    /// The error of opening a file.
    pub(crate) fn opening(&self) -> io::Result<()> {
        match self.now() {
            Some(PassingFault::TooManyFiles) => Err(io::Error::from_raw_os_error(24)),
            _ => Ok(()),
        }
    }

    /// The error of a change to the database.
    pub(crate) fn changing(&self) -> Result<(), StoreError> {
        match self.now() {
            Some(PassingFault::DatabaseFull) => Err(StoreError::DiskFull),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn n(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not 0")
    }

    #[test]
    fn a_fault_is_read_from_its_name_and_its_number() {
        assert_eq!("device@3".parse::<InjectedFault>(), Ok(InjectedFault::Device(n(3))));
        for (name, what) in PassingFault::ALL {
            assert_eq!(format!("{name}@30").parse(), Ok(InjectedFault::Passing(what, n(30))));
        }
        for other in ["", "device", "device@", "device@0", "device@-1", "device@x", "disk@3", "device@3 ", "disk-full"]
        {
            let error = other.parse::<InjectedFault>().expect_err(other).to_string();
            assert!(error.contains(&format!("{other:?}")) && error.contains("device@STEP"), "{error}");
        }
    }

    #[test]
    fn the_first_that_reaches_the_step_fails_and_none_after_it() {
        let fault = PendingFault::new("device@3".parse().ok());
        let fails = |step| catch_unwind(|| fault.reach(step)).is_err();
        assert_eq!([1, 2, 3, 3, 4].map(fails), [false, false, true, false, false]);
        let none = PendingFault::new(None);
        assert!((0..5).all(|step| catch_unwind(|| none.reach(step)).is_ok()));
    }

    #[test]
    fn a_fault_that_passes_lasts_from_the_first_task_on() {
        let fault = PendingFault::new("disk-full@3600".parse().ok());
        assert!(fault.writing().is_ok(), "no task is taken yet");
        fault.begin();
        assert_eq!(fault.writing().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
        assert!(fault.opening().is_ok() && fault.changing().is_ok());
        let files = PendingFault::new("too-many-files@3600".parse().ok());
        files.begin();
        assert!(files.writing().is_err() && files.opening().is_err());
        let over =
            PendingFault { passing: Some((PassingFault::DatabaseFull, Duration::ZERO)), ..PendingFault::new(None) };
        over.begin();
        assert!(over.changing().is_ok());
    }
}
