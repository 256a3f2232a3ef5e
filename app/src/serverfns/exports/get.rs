use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Export, ExportId};

/// One export; none if it is gone. That is an answer and no failure: another page may have removed it.
#[server(prefix = "/fn", endpoint = "exports/get", input = GetUrl)]
pub async fn get_export(
    /// Which one.
    id: ExportId,
) -> Result<Option<Packed<Export>>, AppError> {
    match crate::serverfns::services()?.export(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        found => crate::serverfns::answer(found.and_then(|export| Packed::new(&export)).map(Some)),
    }
}
