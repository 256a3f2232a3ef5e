//! An adapter, numbers, and the log of what was launched.

use burn::tensor::{DType, Tensor, TensorData};
use checkpoint::Checkpoint;
use diffusion::Generator;
use sdxl::{Compute, DeviceChoice, DeviceError};
use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How far kernels are tuned: as little as can be, which on a software adapter is the difference between minutes and
/// hours.
pub const AUTOTUNE: &str = "CUBECL_AUTOTUNE_LEVEL";
/// cubecl's own configuration, read from the working folder.
pub const CONFIG: &str = "cubecl.toml";
/// Each launch of a kernel is a line there.
pub const LAUNCHES: &str = "launches.log";

/// The adapter; none where there is none.
pub fn adapter() -> Option<Compute> {
    assert!(env::var_os(AUTOTUNE).is_some(), "run by `on_an_adapter` and `slowly_on_an_adapter` only");
    match Compute::open(DeviceChoice::Wgpu) {
        Ok(gpu) => Some(gpu),
        Err(DeviceError::NoAdapter(why)) => {
            println!("SKIPPED: no graphics adapter ({why})");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn tiny() -> Checkpoint {
    Checkpoint::open(&fixture("tiny/diffusers")).unwrap_or_else(|e| panic!("{e}"))
}

pub fn noise<const D: usize>(compute: &Compute, seed: u64, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(Generator::seed(seed).randn(shape.iter().product()), shape);
    Tensor::from_data(data, (&compute.device, DType::F32))
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("f32")
}

/// The names of the kernels that are launched meanwhile.
pub fn launches(work: impl FnOnce()) -> Vec<String> {
    let before = logged().len();
    work();
    logged().split_off(before)
}

/// Every launch so far: the log is written by a thread of its own, a moment later.
fn logged() -> Vec<String> {
    let read = || fs::read_to_string(LAUNCHES).unwrap_or_default();
    let mut log = read();
    loop {
        thread::sleep(Duration::from_millis(300));
        let again = read();
        if again == log {
            return log.lines().filter_map(|line| line.strip_prefix("Executing ")).map(str::to_owned).collect();
        }
        log = again;
    }
}
