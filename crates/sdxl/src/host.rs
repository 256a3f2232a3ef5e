//! Tensors in host memory.

use crate::DeviceError;
use burn::tensor::{DType, Tensor};

/// A tensor in host memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// The shape.
    pub shape: Vec<usize>,
    /// The values.
    pub data: Vec<f32>,
}

impl HostTensor {
    /// Copies a tensor to the host. Waits for the device.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] if the device failed; `doing` describes the work in the message.
    pub fn read<const D: usize>(x: Tensor<D>, doing: &'static str) -> Result<Self, DeviceError> {
        let shape = x.dims().to_vec();
        Ok(Self { data: host_numbers(x, doing)?, shape })
    }

    /// Whether all values are finite.
    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|x| x.is_finite())
    }
}

/// Reads a tensor's values as f32, row-major. Waits for the device.
pub(crate) fn host_numbers<const D: usize>(x: Tensor<D>, doing: &'static str) -> Result<Vec<f32>, DeviceError> {
    let failed = |message: String| DeviceError::Failed { doing, message };
    let data = x.cast(DType::F32).try_into_data().map_err(|e| failed(e.to_string()))?;
    data.try_into_vec::<f32>().map_err(|e| failed(e.to_string()))
}
