//! Pagination: `?limit=&after=`, and a `Link` header with the next page's address (RFC 8288). In names and messages, a page of a
//! list is a part, because a page is also what a browser shows.

use crate::problem::ApiError;
use axum::{
    Json,
    extract::{FromRequestParts, Query},
    http::{HeaderValue, Response, header, request::Parts},
    response::IntoResponse,
};
use protocol::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Range of the page size. Without a limit the whole list is returned, for clients without support for pagination.
const LIMIT: RangeInclusive<usize> = 1..=1000;

/// The requested part of a list.
#[derive(Debug)]
pub struct Part {
    limit: Option<usize>,
    after: Option<String>,
    query: Vec<(String, String)>,
}

/// The query parameters, for the OpenAPI document.
#[derive(Deserialize, JsonSchema)]
pub struct Asked {
    /// Page size. The header Link has the address of the next page, if there is one. Without a limit, all items are returned,
    /// or a thousand tasks.
    #[schemars(range(min = *LIMIT.start(), max = *LIMIT.end()))]
    #[expect(dead_code, reason = "only described")]
    limit: Option<u32>,
    /// Cursor: only items after this place. It is part of the address in the header Link.
    #[expect(dead_code, reason = "only described")]
    after: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(query): Query<Vec<(String, String)>> = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::from(Problem::invalid("query", rejection.body_text())))?;
        let given = |name: &str| query.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
        let limit = given("limit").map(|text| {
            let number = text.parse().ok().filter(|number| LIMIT.contains(number));
            let why = format!("must be a whole number from {} to {}", LIMIT.start(), LIMIT.end());
            number.ok_or_else(|| Problem::invalid("limit", why))
        });
        let limit = limit.transpose()?;
        Ok(Self { limit, after: given("after").filter(|place| !place.is_empty()), query })
    }
}

impl Part {
    /// Sets the maximum page size if no limit was given.
    pub fn or_most(self) -> Self {
        Self { limit: self.limit.or(Some(*LIMIT.end())), ..self }
    }

    /// The cursor: the place of the last item of the previous part.
    pub fn after(&self) -> Option<String> {
        self.after.clone()
    }

    /// The cursor as an id.
    ///
    /// # Errors
    /// It is not a whole number.
    pub fn after_id(&self) -> Result<Option<i64>, Problem> {
        let bad = || Problem::invalid("after", "must be an id of this list, a whole number");
        self.after.as_deref().map(|text| text.parse().map_err(|_| bad())).transpose()
    }

    /// Number of items to query: one more than the page size, which shows whether there is a next part.
    pub fn wanted(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit + 1)
    }

    /// The part, from all items that follow the cursor. `place` returns an item's cursor.
    pub fn of<T>(&self, mut items: Vec<T>, place: impl Fn(&T) -> String) -> Listed<T> {
        let limit = self.limit.filter(|limit| *limit < items.len());
        items.truncate(limit.unwrap_or(items.len()));
        let last = limit.and_then(|_| items.last());
        let next = last.map(|last| self.address_after(&place(last)));
        Listed { items, next }
    }

    fn address_after(&self, place: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, value)| name != "after" && !value.is_empty()));
        query.append_pair("after", place);
        // Relative to the request's address: a proxy may serve this under another path.
        format!("<?{}>; rel=\"next\"", query.finish())
    }
}

/// A part of a list as a response: a JSON array, and the `Link` header.
#[derive(Debug)]
pub struct Listed<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response<axum::body::Body> {
        let mut response = Json(self.items).into_response();
        if let Some(link) = self.next.and_then(|next| HeaderValue::try_from(next).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn part(query: &str) -> Result<Part, ApiError> {
        let request = axum::http::Request::get(format!("/x{query}")).body(()).expect("a request");
        Part::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn the_next_part_keeps_what_was_asked() {
        let asked = part("?status=queued&limit=2&after=9&project_id=").await.expect("well-formed");
        assert_eq!((asked.wanted(), asked.after_id().expect("an id")), (3, Some(9)));
        let listed = asked.of(vec![8, 7, 6], |id| format!("{id}_&"));
        assert_eq!(listed.items, [8, 7]);
        assert_eq!(listed.next.as_deref(), Some("<?status=queued&limit=2&after=7_%26>; rel=\"next\""));
        assert!(asked.of(vec![8, 7], ToString::to_string).next.is_none(), "the last part");
        let whole = part("").await.expect("well-formed");
        assert!(whole.of(vec![1; 5000], ToString::to_string).next.is_none());
        assert_eq!(whole.or_most().wanted(), 1001);
    }

    #[tokio::test]
    async fn a_limit_has_bounds() {
        for bad in ["", "0", "1001", "-1", "x", "1.5", "99999999999999999999"] {
            part(&format!("?limit={bad}")).await.expect_err(bad);
        }
    }
}
