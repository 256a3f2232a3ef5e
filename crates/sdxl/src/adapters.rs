//! The graphics adapters of this machine, which `--device wgpu:N` names by their numbers.

use burn::tensor::{
    DeviceKind,
    wgpu::{
        WgpuBackend,
        wgpu::{Adapter, AdapterInfo, Backend, DeviceType, Instance, InstanceDescriptor},
    },
};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The graphics APIs, in burn's order.
const APIS: [(Backend, WgpuBackend); 4] = [
    (Backend::Vulkan, WgpuBackend::Vulkan),
    (Backend::Metal, WgpuBackend::Metal),
    (Backend::Dx12, WgpuBackend::Dx12),
    (Backend::Gl, WgpuBackend::Gl),
];

/// An adapter, as burn opens it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) kind: DeviceKind,
    pub(crate) api: WgpuBackend,
    /// Its name, and the API.
    pub(crate) name: String,
}

/// The adapters in the order of their numbers: those of the first API that has a GPU, otherwise of the first that has a software
/// adapter. An adapter that two APIs show is not listed twice.
pub(crate) fn all() -> Vec<Found> {
    let mut software = Vec::new();
    for (backend, api) in APIS {
        let infos = infos(backend);
        let has_gpu = infos.iter().any(|info| info.device_type != DeviceType::Cpu);
        let found = numbered(&infos, api);
        if has_gpu {
            return found;
        }
        if software.is_empty() {
            software = found;
        }
    }
    software
}

fn infos(backend: Backend) -> Vec<AdapterInfo> {
    let instance = Instance::new(InstanceDescriptor {
        backends: backend.into(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pin!(instance.enumerate_adapters(backend.into()));
    // Only a browser makes a program wait for them.
    match adapters.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(adapters) => adapters.iter().map(Adapter::get_info).collect(),
        Poll::Pending => Vec::new(),
    }
}

/// burn counts the adapters of each kind from zero, and cannot open those of no known kind.
fn numbered(infos: &[AdapterInfo], api: WgpuBackend) -> Vec<Found> {
    let of = |(place, info): (usize, &AdapterInfo)| {
        let before = infos[..place].iter().filter(|other| other.device_type == info.device_type).count();
        let kind = match info.device_type {
            DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(before),
            DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(before),
            DeviceType::VirtualGpu => DeviceKind::VirtualGpu(before),
            DeviceType::Cpu => DeviceKind::Cpu,
            DeviceType::Other => return None,
        };
        Some(Found { kind, api, name: format!("{} ({})", info.name, info.backend) })
    };
    infos.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_for_itself() {
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        let info = |name: &str, kind| AdapterInfo { name: name.to_owned(), ..AdapterInfo::new(kind, Backend::Vulkan) };
        let infos = [
            info("inside", IntegratedGpu),
            info("card", DiscreteGpu),
            info("another card", DiscreteGpu),
            info("unknown", DeviceType::Other),
            info("software", Cpu),
        ];
        let found = numbered(&infos, WgpuBackend::Vulkan);
        let kinds: Vec<_> = found.iter().map(|found| found.kind.clone()).collect();
        let expected =
            [DeviceKind::IntegratedGpu(0), DeviceKind::DiscreteGpu(0), DeviceKind::DiscreteGpu(1), DeviceKind::Cpu];
        assert_eq!(kinds, expected);
        assert_eq!(found[2].name, "another card (vulkan)");
    }

    /// The list comes from another place than burn's choice.
    #[test]
    fn there_are_adapters_if_burn_finds_one() {
        let found = all();
        match crate::Compute::open(crate::DeviceChoice::Wgpu) {
            Ok(compute) => {
                assert!(found.iter().any(|found| found.name.starts_with(&compute.info.name)), "{found:?}");
            }
            Err(error) => assert!(found.is_empty(), "{error}, but {found:?}"),
        }
    }
}
