//! A value that travels as its JSON text, and is read where it is needed.
//!
//! A server function's answer is read from bytes, the value in the page from a text, an event from another
//! text: each way compiles every reader of every field anew (2.4 kB a struct). Packed, all go one way.

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
    /// Packs a value.
    pub fn new(value: &T) -> Result<Self, Problem> {
        let text = serde_json::to_string(value).map_err(|_| Problem::Internal)?;
        Ok(Self { text, of: PhantomData })
    }
}

impl<T: DeserializeOwned> Packed<T> {
    /// The value.
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
    fn what_is_packed_comes_out_again() {
        let studio = studio(vec![frame(1)], vec![]);
        let packed = Packed::new(&studio).expect("packs");
        let wire = serde_json::to_string(&packed).expect("serializes");
        let heard: Packed<Studio> = serde_json::from_str(&wire).expect("reads back");
        assert_eq!(heard.open(), Ok(studio));
        let garbage: Packed<Studio> = serde_json::from_str("\"{\"").expect("any text");
        assert_eq!(garbage.open(), Err(Problem::Internal.into()));
    }
}
