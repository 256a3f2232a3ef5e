//! A fault on purpose, for tests of the recovery: what a lost device leaves behind is seen on the real worker.
//! Only the hidden option `--inject-fault` of `emberline serve` asks for one.

use std::{
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

/// The device is lost at a sampling step, once in an engine's life. Written `device@STEP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectedFault {
    /// 1 for the first.
    step: NonZeroU32,
}

/// What names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault {0:?}; it is device@STEP, the sampling step at which the device is lost, 1 for the first")]
pub struct UnknownFault(pub String);

impl FromStr for InjectedFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let step = text.strip_prefix("device@").and_then(|step| step.parse().ok());
        step.map(|step| Self { step }).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// The step of the fault that is still to come; 0 when there is none, or no more.
#[derive(Debug)]
pub(crate) struct PendingFault(AtomicU32);

impl PendingFault {
    pub(crate) fn new(fault: Option<InjectedFault>) -> Self {
        Self(AtomicU32::new(fault.map_or(0, |fault| fault.step.get())))
    }

    /// At each sampling step, on the sampler's thread: the first that reaches the fault's step panics, as burn
    /// does when wgpu fails under it. Once: the same task, tried again, passes.
    pub(crate) fn reach(&self, step: u32) {
        let is_here = step > 0 && self.0.compare_exchange(step, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_here {
            panic!("device lost (injected)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_fault_is_read_from_its_name_and_its_step() {
        let three = NonZeroU32::new(3).expect("not 0");
        assert_eq!("device@3".parse::<InjectedFault>(), Ok(InjectedFault { step: three }));
        for other in ["", "device", "device@", "device@0", "device@-1", "device@x", "disk@3", "device@3 "] {
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
}
