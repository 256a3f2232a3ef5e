//! The adapter, and the log of kernel launches.

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

/// The tuning level: the lowest, because on a software adapter more tuning takes hours instead of minutes.
pub const AUTOTUNE: &str = "CUBECL_AUTOTUNE_LEVEL";
/// cubecl's configuration file, read from the working folder.
pub const CONFIG: &str = "cubecl.toml";
/// Log file with one line per kernel launch.
pub const LAUNCHES: &str = "launches.log";

/// The adapter, or `None` if there is none.
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

/// Returns the names of the kernels that `work` launches.
pub fn launches(work: impl FnOnce()) -> Vec<String> {
    let before = logged().len();
    work();
    logged().split_off(before)
}

/// All launches so far. A separate thread writes the log, with a short delay.
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
