//! Reading a parameter's numbers.

use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}

/// A number type that parameters can be read as: `f32`, `half::f16`, `half::bf16`.
pub trait Element: Copy + Default + Send + sealed::Sealed + 'static {
    /// The nearest value; infinite where out of range.
    fn from_f32(value: f32) -> Self;
    /// Exactly that value.
    fn to_f32(self) -> f32;
}

impl Element for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }
    fn to_f32(self) -> f32 {
        self
    }
}

impl Element for f16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }
}

impl Element for bf16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn to_f32(self) -> f32 {
        Self::to_f32(self)
    }
}
