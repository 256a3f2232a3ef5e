//! The OpenAPI document: each route is added to the router and to the document by one call, and what the
//! document says of its input and output comes from the handler's own types.

mod api;
mod document;
mod html;
mod operation;
pub mod page;
pub mod read;
mod types;

pub use api::{Api, Documented};
pub use document::Document;
pub use operation::About;
