//! Number types of the safetensors format, and the block types of GGUF.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A tensor's number type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float with a 5-bit exponent.
    F16,
    /// 16-bit float with an 8-bit exponent (bfloat16).
    Bf16,
    /// 8-bit float with a 4-bit exponent (bias 7, largest number 448, no infinity): `torch.float8_e4m3fn`.
    #[serde(rename = "f8_e4m3")]
    F8E4m3,
    /// 8-bit float with a 5-bit exponent, the upper half of an f16: `torch.float8_e5m2`.
    #[serde(rename = "f8_e5m2")]
    F8E5m2,
    /// 8-bit float of another kind (E8M0, or with AMD's exponents). Not readable.
    F8,
    /// Blocks of 32 numbers of 4 bits with an f16 factor (ggml's `Q4_0`).
    #[serde(rename = "q4_0")]
    Q4_0,
    /// The same with an f16 minimum.
    #[serde(rename = "q4_1")]
    Q4_1,
    /// Blocks of 32 numbers of 5 bits with an f16 factor.
    #[serde(rename = "q5_0")]
    Q5_0,
    /// The same with an f16 minimum.
    #[serde(rename = "q5_1")]
    Q5_1,
    /// Blocks of 32 numbers of 8 bits with an f16 factor.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// Blocks of 256 numbers of 4 bits, with factors and minima of 6 bits for 32 each.
    #[serde(rename = "q4_k")]
    Q4K,
    /// The same with 5 bits.
    #[serde(rename = "q5_k")]
    Q5K,
    /// Blocks of 256 numbers of 6 bits, with factors of 8 bits for 16 each.
    #[serde(rename = "q6_k")]
    Q6K,
    /// 64-bit integer, signed or unsigned.
    I64,
    /// 32-bit integer, signed or unsigned.
    I32,
    /// 16-bit integer, signed or unsigned.
    I16,
    /// 8-bit integer, signed or unsigned.
    I8,
    /// One byte per boolean.
    Bool,
}

impl Dtype {
    /// Bytes per value, or per block of values.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F8E4m3 | Self::F8E5m2 | Self::F8 | Self::I8 | Self::Bool => 1,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Values per block; 1 for types without blocks.
    pub fn block_values(self) -> u64 {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
            _ => 1,
        }
    }

    /// Whether weights of this type can be read.
    pub fn is_readable(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16) || self.is_f8() || self.is_quantised()
    }

    /// Whether this is a block type.
    pub(crate) fn is_quantised(self) -> bool {
        self.block_values() > 1
    }

    /// Whether this is a readable 8-bit float.
    pub(crate) fn is_f8(self) -> bool {
        matches!(self, Self::F8E4m3 | Self::F8E5m2)
    }

    /// Parses the format's spelling.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "F8_E4M3" => Self::F8E4m3,
            "F8_E5M2" => Self::F8E5m2,
            "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => Self::F8,
            "I64" | "U64" => Self::I64,
            "I32" | "U32" => Self::I32,
            "I16" | "U16" => Self::I16,
            "I8" | "U8" => Self::I8,
            "BOOL" => Self::Bool,
            _ => return None,
        })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F8E4m3 => "f8_e4m3",
            Self::F8E5m2 => "f8_e5m2",
            Self::F8 => "f8",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::Bool => "bool",
        })
    }
}
