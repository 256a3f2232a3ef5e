//! A value that is transferred as JSON text and deserialized where it is needed.
//!
//! The response of a server function is deserialized from bytes, the value in the page and events from strings. Each source
//! compiles its own deserializer for each struct (2.4 kB of WASM). As packed text all share one.

use crate::error::AppError;
use protocol::Problem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// A `T` as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Packed<T> {
    text: String,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> Packed<T> {
    /// Serializes a value. Fails with [`Problem::Internal`].
    pub fn new(value: &T) -> Result<Self, Problem> {
        let text = serde_json::to_string(value).map_err(|_| Problem::Internal)?;
        Ok(Self { text, of: PhantomData })
    }
}

impl<T: DeserializeOwned> Packed<T> {
    /// Deserializes the value. Fails with [`Problem::Internal`] if the text is not a `T`.
    pub fn open(&self) -> Result<T, AppError> {
        serde_json::from_str(&self.text).map_err(|_| Problem::Internal.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::{frame, studio};
    use protocol::Studio;

    #[test]
    fn a_packed_value_reads_back() {
        let studio = studio(vec![frame(1)], vec![]);
        let packed = Packed::new(&studio).expect("packs");
        let wire = serde_json::to_string(&packed).expect("serializes");
        let received: Packed<Studio> = serde_json::from_str(&wire).expect("reads back");
        assert_eq!(received.open(), Ok(studio));
        let garbage: Packed<Studio> = serde_json::from_str("\"{\"").expect("any text");
        assert_eq!(garbage.open(), Err(Problem::Internal.into()));
    }
}
