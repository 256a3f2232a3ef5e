//! Fault injection, for tests that show how the real worker recovers from a lost device or a full disk, and what happens during
//! long steps. Enabled only by the hidden option `--inject-fault` of `emberline serve` and `emberline worker`.

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

/// A fault that is injected once in an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// The device is lost at this sampling step, 1 for the first. Written `device@STEP`.
    Device(NonZeroU32),
    /// Operations fail for this many seconds after the first task is claimed. Written, for example, `disk-full@SECONDS`.
    Temporary(TemporaryFault, NonZeroU32),
    /// Each sampling step takes this many milliseconds longer, all the time. Written `slow@MILLISECONDS`.
    Slow(NonZeroU32),
}

/// The operations that fail for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporaryFault {
    /// `disk-full`: no picture can be written.
    DiskFull,
    /// `read-only`: no picture can be written.
    ReadOnly,
    /// `too-many-files`: no picture and no model can be opened.
    TooManyFiles,
    /// `database-full`: the database refuses the workers' changes.
    DatabaseFull,
}

impl TemporaryFault {
    const ALL: [(&str, Self); 4] = [
        ("disk-full", Self::DiskFull),
        ("read-only", Self::ReadOnly),
        ("too-many-files", Self::TooManyFiles),
        ("database-full", Self::DatabaseFull),
    ];
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no fault {0:?}; it is device@STEP, the sampling step at which the device is lost, 1 for the first, or one \
     of disk-full, read-only, too-many-files and database-full with @SECONDS, how long it lasts, or slow@MILLISECONDS, by \
     which each step takes longer"
)]
pub struct UnknownFault(pub String);

impl FromStr for InjectedFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('@').and_then(|(name, number)| {
            let number = number.parse().ok()?;
            match name {
                "device" => Some(Self::Device(number)),
                "slow" => Some(Self::Slow(number)),
                _ => {
                    let known = TemporaryFault::ALL.iter().find(|(known, _)| *known == name);
                    known.map(|(_, what)| Self::Temporary(*what, number))
                }
            }
        });
        parsed.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// How often a step that takes longer looks whether its attempt is over.
const SLOW_CHECK: Duration = Duration::from_millis(5);

/// Injects the fault into the engine's operations.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    /// The step at which the device is lost; 0 for none.
    device: AtomicU32,
    temporary: Option<(TemporaryFault, Duration)>,
    began: OnceLock<Instant>,
    /// By which each step takes longer.
    slow: Duration,
}

impl FaultInjector {
    pub(crate) fn new(fault: Option<InjectedFault>) -> Self {
        let (device, temporary, slow) = match fault {
            None => (0, None, Duration::ZERO),
            Some(InjectedFault::Device(step)) => (step.get(), None, Duration::ZERO),
            Some(InjectedFault::Temporary(what, s)) => {
                (0, Some((what, Duration::from_secs(s.get().into()))), Duration::ZERO)
            }
            Some(InjectedFault::Slow(ms)) => (0, None, Duration::from_millis(ms.get().into())),
        };
        Self { device: AtomicU32::new(device), temporary, began: OnceLock::new(), slow }
    }

    /// Starts a temporary fault. Called when a task is claimed; only the first call counts.
    pub(crate) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Called at each sampling step, on the sampler's thread. The first attempt that reaches the fault's step panics, as
    /// burn does when wgpu fails. Later attempts pass. A step that takes longer ends soon after `is_stopped`.
    pub(crate) fn at_step(&self, step: u32, is_stopped: impl Fn() -> bool) {
        let end = Instant::now() + self.slow;
        while !self.slow.is_zero() && !is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(SLOW_CHECK));
        }
        let is_here = step > 0 && self.device.compare_exchange(step, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_here {
            panic!("device lost (injected)");
        }
    }

    /// The temporary fault that is active now.
    fn active(&self) -> Option<TemporaryFault> {
        let (what, lasts) = self.temporary?;
        self.began.get().filter(|began| began.elapsed() < lasts).map(|_| what)
    }

    /// The injected error for writing a file.
    pub(crate) fn write_error(&self) -> io::Result<()> {
        match self.active() {
            Some(TemporaryFault::DiskFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(TemporaryFault::ReadOnly) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ => self.open_error(),
        }
    }

    /// The injected error for opening a file.
    pub(crate) fn open_error(&self) -> io::Result<()> {
        match self.active() {
            Some(TemporaryFault::TooManyFiles) => Err(io::Error::from_raw_os_error(24)),
            _ => Ok(()),
        }
    }

    /// The injected error for a change of the database.
    pub(crate) fn database_error(&self) -> Result<(), StoreError> {
        match self.active() {
            Some(TemporaryFault::DatabaseFull) => Err(StoreError::DiskFull),
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
        assert_eq!("slow@200".parse::<InjectedFault>(), Ok(InjectedFault::Slow(n(200))));
        for (name, what) in TemporaryFault::ALL {
            assert_eq!(format!("{name}@30").parse(), Ok(InjectedFault::Temporary(what, n(30))));
        }
        for other in ["", "device", "device@", "device@0", "device@-1", "device@x", "disk@3", "device@3 ", "disk-full"]
        {
            let error = other.parse::<InjectedFault>().expect_err(other).to_string();
            assert!(error.contains(&format!("{other:?}")) && error.contains("device@STEP"), "{error}");
        }
    }

    #[test]
    fn the_first_that_reaches_the_step_fails_and_none_after_it() {
        let fault = FaultInjector::new("device@3".parse().ok());
        let fails = |step| catch_unwind(|| fault.at_step(step, || false)).is_err();
        assert_eq!([1, 2, 3, 3, 4].map(fails), [false, false, true, false, false]);
        let none = FaultInjector::new(None);
        assert!((0..5).all(|step| catch_unwind(|| none.at_step(step, || false)).is_ok()));
    }

    #[test]
    fn each_step_takes_longer_on_a_slow_device() {
        let fault = FaultInjector::new("slow@30".parse().ok());
        let started = Instant::now();
        (1..=2).for_each(|step| fault.at_step(step, || false));
        assert!(started.elapsed() >= Duration::from_millis(60));
        let hour = FaultInjector::new("slow@3600000".parse().ok());
        hour.at_step(1, || started.elapsed() >= Duration::from_millis(90));
    }

    #[test]
    fn a_fault_that_passes_lasts_from_the_first_task_on() {
        let fault = FaultInjector::new("disk-full@3600".parse().ok());
        assert!(fault.write_error().is_ok(), "no task is taken yet");
        fault.begin();
        assert_eq!(fault.write_error().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
        assert!(fault.open_error().is_ok() && fault.database_error().is_ok());
        let files = FaultInjector::new("too-many-files@3600".parse().ok());
        files.begin();
        assert!(files.write_error().is_err() && files.open_error().is_err());
        let over = FaultInjector {
            temporary: Some((TemporaryFault::DatabaseFull, Duration::ZERO)),
            ..FaultInjector::new(None)
        };
        over.begin();
        assert!(over.database_error().is_ok());
    }
}
