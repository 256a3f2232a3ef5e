//! The compute device: a GPU through wgpu, or the CPU.

use crate::{DeviceError, adapters};
use burn::tensor::{
    DType, Device,
    wgpu::{WgpuSetup, wgpu::DeviceType},
};
use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

/// The device that a user requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// A real GPU if there is one, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// wgpu's adapter, even if it is a software adapter.
    Wgpu,
    /// The adapter with this number, in the order of [`Compute::adapters`].
    Adapter(u16),
}

impl DeviceChoice {
    /// The names accepted by [`FromStr`], beside `wgpu:N`.
    pub const NAMES: [&'static str; 3] = ["auto", "cpu", "wgpu"];
}

/// A device name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no device `{0}`; use auto, cpu, wgpu or wgpu:N, with the number of an adapter")]
pub struct UnknownDevice(pub String);

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "wgpu" => Ok(Self::Wgpu),
            _ => match name.strip_prefix("wgpu:").map(str::parse) {
                Some(Ok(number)) => Ok(Self::Adapter(number)),
                _ => Err(UnknownDevice(name.to_owned())),
            },
        }
    }
}

/// The number type of the UNet and the text encoders. The VAE always computes in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

/// A number type name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no dtype `{0}`; use f32, f16 or bf16")]
pub struct UnknownPrecision(pub String);

impl Precision {
    /// The names accepted by [`FromStr`].
    pub const NAMES: [&'static str; 3] = ["f32", "f16", "bf16"];

    /// The name accepted by [`FromStr`].
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// The corresponding burn type.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(UnknownPrecision(name.to_owned())),
        }
    }
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// burn's CPU backend.
    Cpu,
    /// A graphics card, or a processor's integrated graphics, through wgpu.
    Gpu,
    /// A software adapter, which runs shaders on the CPU; for tests.
    SoftwareGpu,
}

/// Description of a device for logs and `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The kind of device.
    pub kind: DeviceKind,
    /// The name that the device reports.
    pub name: String,
    /// Graphics API and driver; empty on the CPU.
    pub driver: String,
    /// The largest buffer that a kernel can use, in bytes.
    pub max_buffer_bytes: u64,
    /// Whether the device computes in f16.
    pub f16: bool,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.kind == DeviceKind::Cpu {
            return Ok(());
        }
        let kind = if self.kind == DeviceKind::Gpu { "" } else { ", software" };
        let f16 = if self.f16 { "f16" } else { "no f16" };
        write!(f, " ({}{kind}, buffers up to {} MiB, {f16})", self.driver, self.max_buffer_bytes >> 20)
    }
}

/// An opened device.
#[derive(Clone, Debug)]
pub struct Compute {
    /// burn's device, for tensors.
    pub device: Device,
    /// Description for users.
    pub info: DeviceInfo,
}

impl Compute {
    /// Opens the requested device. The GPU is opened once per process; later calls share it.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] if wgpu was requested and no adapter was found, and [`DeviceError::NoSuchAdapter`] for a number
    /// that no adapter has.
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Wgpu => wgpu_device(None),
            DeviceChoice::Adapter(number) => wgpu_device(Some(number)),
            // wgpu also finds llvmpipe, a software adapter that is far slower than the CPU backend.
            DeviceChoice::Auto => Ok(wgpu_device(None)
                .ok()
                .filter(|compute| compute.info.kind == DeviceKind::Gpu)
                .unwrap_or_else(Self::cpu)),
        }
    }

    /// Name and graphics API of each adapter, software adapters included. Its place in the list is the number for
    /// [`DeviceChoice::Adapter`].
    pub fn adapters() -> Vec<String> {
        adapters::all().into_iter().map(|found| found.name).collect()
    }

    fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let info = DeviceInfo {
            kind: DeviceKind::Cpu,
            name: format!("CPU, {threads} threads"),
            driver: String::new(),
            max_buffer_bytes: u64::MAX,
            // burn-flex accumulates f16 products in f16: the sum of 4096 ones is 2048.
            f16: false,
        };
        Self { device: Device::flex(), info }
    }

    /// Runs `work`. On the CPU it runs on one of the compute threads; on a GPU it runs on the calling thread, because
    /// the GPU's queue belongs to that thread.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.info.kind {
            DeviceKind::Cpu => kernels::on_a_computing_thread(work),
            DeviceKind::Gpu | DeviceKind::SoftwareGpu => work(),
        }
    }

    /// The number type to compute in: the requested one; by default f16 on a GPU that supports it, otherwise f32.
    ///
    /// # Errors
    /// [`DeviceError::Dtype`] for a type that the device does not support, or supports only with large errors.
    pub fn precision(&self, asked: Option<Precision>) -> Result<Precision, DeviceError> {
        let computes = |precision| match (precision, self.info.kind) {
            (Precision::F32, _) => true,
            (Precision::F16, _) => self.info.f16,
            (Precision::Bf16, kind) => kind != DeviceKind::Cpu && self.device.supports_dtype(DType::BF16),
        };
        match asked {
            Some(precision) if computes(precision) => Ok(precision),
            Some(precision) => Err(DeviceError::Dtype { device: self.info.name.clone(), dtype: precision.name() }),
            None if self.info.kind == DeviceKind::Gpu && computes(Precision::F16) => Ok(Precision::F16),
            None => Ok(Precision::F32),
        }
    }

    /// Bytes reserved by the device's memory pool, which keeps them until the process ends: the peak use plus what is
    /// lost to paging. `None` on the CPU, which uses the process's own memory.
    pub fn reserved_bytes(&self) -> Option<u64> {
        match self.info.kind {
            DeviceKind::Cpu => None,
            DeviceKind::Gpu | DeviceKind::SoftwareGpu => {
                self.device.memory_pool_usage().map(|usage| usage.bytes_reserved)
            }
        }
    }

    /// Waits until all queued work is done.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] if any of it failed; `doing` describes the work in the message.
    pub fn sync(&self, doing: &'static str) -> Result<(), DeviceError> {
        self.device.sync().map_err(|e| DeviceError::Failed { doing, message: one_line(&e.to_string()) })
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The adapter with this number, or wgpu's choice. The runtime of an adapter can be registered only once per process.
fn wgpu_device(number: Option<u16>) -> Result<Compute, DeviceError> {
    static OPENED: Mutex<BTreeMap<Option<u16>, Result<Compute, DeviceError>>> = Mutex::new(BTreeMap::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    opened.entry(number).or_insert_with(|| open_adapter(number)).clone()
}

fn open_adapter(number: Option<u16>) -> Result<Compute, DeviceError> {
    let mut options = Device::wgpu_options();
    if let Some(number) = number {
        let found = adapters::all();
        let Some(chosen) = found.get(usize::from(number)) else {
            let listed = found.iter().enumerate().map(|(number, found)| format!("wgpu:{number} is {}", found.name));
            return Err(DeviceError::NoSuchAdapter { number, adapters: listed.collect() });
        };
        options = options.device_kind(chosen.kind.clone()).graphics_api(chosen.api);
    }
    let opened = options.init_with_setup();
    let (device, setup) = opened.map_err(|e| DeviceError::NoAdapter(one_line(&e.to_string())))?;
    let info = describe(&device, &setup);
    Ok(Compute { device, info })
}

fn describe(device: &Device, setup: &WgpuSetup) -> DeviceInfo {
    let adapter = setup.adapter.get_info();
    let limits = setup.device.limits();
    DeviceInfo {
        kind: match adapter.device_type {
            DeviceType::Cpu => DeviceKind::SoftwareGpu,
            _ => DeviceKind::Gpu,
        },
        name: adapter.name,
        driver: format!("{} {} {}", adapter.backend, adapter.driver, adapter.driver_info).trim().to_owned(),
        max_buffer_bytes: limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
        f16: device.supports_dtype(DType::F16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_takes_f32_only() {
        let cpu = Compute::open(DeviceChoice::Cpu).expect("always there");
        assert_eq!(cpu.precision(None), Ok(Precision::F32));
        let error = cpu.precision(Some(Precision::F16)).expect_err("sums in f16");
        assert!(error.to_string().contains("--dtype f32"), "{error}");
    }

    #[test]
    fn names_read_back() {
        for name in Precision::NAMES {
            assert_eq!(name.parse::<Precision>().expect("known").name(), name);
        }
        assert!(DeviceChoice::NAMES.iter().all(|name| name.parse::<DeviceChoice>().is_ok()));
        assert_eq!("wgpu:1".parse(), Ok(DeviceChoice::Adapter(1)));
        for unknown in ["cuda", "wgpu:", "wgpu:-1", "wgpu:x", "cpu:0"] {
            assert!(unknown.parse::<DeviceChoice>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_number_without_an_adapter_is_refused_with_the_list() {
        let error = Compute::open(DeviceChoice::Adapter(u16::MAX)).expect_err("no machine has so many");
        let text = error.to_string();
        assert!(text.starts_with("there is no graphics adapter 65535"), "{text}");
        for (number, name) in Compute::adapters().iter().enumerate() {
            assert!(text.contains(&format!("wgpu:{number} is {name}")), "{text}");
        }
    }
}
