//! An upscaler's file as the source of a loader.

use burn::tensor::{DType, TensorData};
use checkpoint::{UpscalerFile, UpscalerTensor};
use sdxl::{LoadError, Source};

pub(crate) struct FileSource<'f>(pub &'f UpscalerFile);

impl FileSource<'_> {
    fn get(&self, name: &str) -> Option<&UpscalerTensor> {
        self.0.tensors().get(name)
    }
}

impl Source for FileSource<'_> {
    fn names(&self) -> Vec<String> {
        self.0.tensors().keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.get(name).map(|tensor| tensor.shape.clone())
    }

    fn kept_dtype(&self, _: &str) -> Option<DType> {
        None
    }

    fn read(&mut self, name: &str, dtype: DType) -> Result<TensorData, LoadError> {
        let tensor = self.get(name).ok_or_else(|| LoadError::Missing { name: name.to_owned() })?;
        Ok(TensorData::new(tensor.values.clone(), tensor.shape.clone()).convert_dtype(dtype))
    }
}
