//! The processes that make pictures, where several share a database.

use crate::{Model, TaskId};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, fmt, str::FromStr};

/// The id of a server or worker: a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WorkerId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// What a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkerKind {
    /// It also answers requests: `emberline serve`.
    #[default]
    Server,
    /// It only makes pictures: `emberline worker`.
    Worker,
}

impl WorkerKind {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Worker => "worker",
        }
    }
}

/// A model that a worker has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct WorkerModel {
    /// Its name in tasks.
    pub name: String,
    /// A hash of the lengths of its files and of pieces of their bytes, 16 digits; null until it is computed, or if the files cannot
    /// be read. Models of one name that differ in it are different models.
    pub fingerprint: Option<String>,
}

/// A process that makes pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Worker {
    /// Its id, new at each start.
    pub id: WorkerId,
    /// Its name, for users. Several can have the same.
    pub name: String,
    /// Server or worker.
    pub kind: WorkerKind,
    /// Its version of Emberline.
    pub version: String,
    /// The device that it computes on.
    pub device: String,
    /// Pictures that it makes at the same time; 0 for a server that makes none.
    pub concurrency: u32,
    /// The models that it has, the default first.
    pub models: Vec<WorkerModel>,
    /// Names of those that are in memory.
    pub loaded: Vec<String>,
    /// Whether it finishes its pictures and starts no others.
    pub draining: bool,
    /// The tasks that it runs.
    pub tasks: Vec<TaskId>,
}

/// The workers of a database: the new state after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Workers {
    /// By name.
    pub workers: Vec<Worker>,
}

/// A model with its fingerprint, as a worker advertises it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdvertisedModel {
    /// The model.
    pub model: Model,
    /// See [`WorkerModel::fingerprint`].
    pub fingerprint: Option<String>,
}
