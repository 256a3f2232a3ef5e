//! Models.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::Model;

/// The models that can be chosen, the default first.
#[server(prefix = "/fn", endpoint = "models/list", input = GetUrl)]
pub async fn list_models() -> Result<Packed<Vec<Model>>, AppError> {
    let models = super::services()?.list_models().await;
    super::answer(models.and_then(|models| Packed::new(&models)))
}
