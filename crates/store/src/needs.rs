//! What a task needs of the process that makes its picture, on PostgreSQL, where several make them. It is found when the task is
//! created or changed, and a claim takes only tasks whose needs the process meets.

use crate::StoreError;
use crate::backend::{postgres, sqlite};
use crate::transaction::Query;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::RunQueryDsl;
use protocol::Parameters;
use serde::{Deserialize, Serialize};

/// What a file is for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A LoRA file.
    Lora,
    /// An embedding.
    Embedding,
}

/// A file that a task needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededFile {
    /// What it is.
    pub kind: FileKind,
    /// Its name in the library.
    pub name: String,
    /// Its hash; none if that is not known.
    pub hash: Option<String>,
}

/// What a task needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The version of the drawing protocol.
    pub protocol: u32,
    /// LoRA files and embeddings.
    pub files: Vec<NeededFile>,
}

impl Default for Needs {
    fn default() -> Self {
        Self { protocol: 1, files: Vec::new() }
    }
}

/// The LoRA files and embeddings that a process has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnFiles {
    /// The hashes that are known.
    pub hashes: Vec<String>,
    /// The names of files without a known hash.
    pub unhashed: Vec<String>,
}

impl OwnFiles {
    /// Whether a file is among them. Claims on PostgreSQL decide the same.
    pub fn has(&self, file: &NeededFile) -> bool {
        let by_hash = file.hash.as_ref().is_some_and(|hash| self.hashes.contains(hash));
        by_hash || self.unhashed.contains(&file.name)
    }
}

/// Finds what a task with these parameters needs.
pub type FindNeeds = Box<dyn Fn(&Parameters) -> Needs + Send + Sync>;

const PUT: &str = "UPDATE tasks SET needs = $2, files = $3::jsonb WHERE id = $1";

/// The needs of tasks, in the transactions that create and change them.
pub(crate) trait NeedRows {
    /// Stores what a task needs.
    fn put_needs(&mut self, id: i64, needs: Needs) -> Query<'_, Result<(), StoreError>>;
}

impl NeedRows for sqlite::Connection {
    fn put_needs(&mut self, _: i64, _: Needs) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl NeedRows for postgres::Connection {
    fn put_needs(&mut self, id: i64, needs: Needs) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let files = (!needs.files.is_empty()).then(|| serde_json::to_string(&needs.files).unwrap_or_default());
            let put = diesel::sql_query(PUT).bind::<BigInt, _>(id);
            let put = put.bind::<Integer, _>(i32::try_from(needs.protocol).unwrap_or(i32::MAX));
            put.bind::<Nullable<Text>, _>(files).execute(self).await?;
            Ok(())
        })
    }
}
