//! A router builder that documents each route.

use super::{
    operation::{About, Draft, Schemas},
    types::Described,
};
use crate::state::AppState;
use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use serde_json::{Map, Value};

/// Documentation of the routes added so far.
#[derive(Debug, Default)]
pub struct Documented {
    pub(super) schemas: Schemas,
    pub(super) paths: Map<String, Value>,
}

/// Routes under one prefix.
#[derive(Debug)]
pub struct Api {
    prefix: &'static str,
    router: Router<AppState>,
    documented: Documented,
}

impl Api {
    /// An empty router. Its documentation is added to `documented`.
    pub fn new(prefix: &'static str, documented: Documented) -> Self {
        Self { prefix, router: Router::new(), documented }
    }

    /// The router, whose paths do not have the prefix, and the documentation.
    pub fn into_parts(self) -> (Router<AppState>, Documented) {
        (self.router, self.documented)
    }

    /// Adds a GET route.
    pub fn get<H: Handler<T, AppState> + Described<T>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self {
        self.route("get", MethodFilter::GET, path, handler, about)
    }

    /// Adds a POST route.
    pub fn post<H: Handler<T, AppState> + Described<T>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self {
        self.route("post", MethodFilter::POST, path, handler, about)
    }

    /// Adds a PUT route.
    pub fn put<H: Handler<T, AppState> + Described<T>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self {
        self.route("put", MethodFilter::PUT, path, handler, about)
    }

    /// Adds a PATCH route.
    pub fn patch<H: Handler<T, AppState> + Described<T>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self {
        self.route("patch", MethodFilter::PATCH, path, handler, about)
    }

    /// Adds a DELETE route.
    pub fn delete<H: Handler<T, AppState> + Described<T>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self {
        self.route("delete", MethodFilter::DELETE, path, handler, about)
    }

    fn route<H, T>(mut self, verb: &str, method: MethodFilter, path: &'static str, handler: H, about: About) -> Self
    where
        H: Handler<T, AppState> + Described<T>,
        T: 'static,
    {
        let whole = format!("{}{path}", self.prefix);
        let id = format!("{verb}{}", whole.replace(['/', '{', '}', '-', '.'], "_").replace("__", "_"));
        let mut draft = Draft {
            path,
            schemas: &mut self.documented.schemas,
            parameters: Vec::new(),
            body: None,
            answer: None,
            fails: Vec::new(),
            is_list: false,
        };
        H::describe(&mut draft);
        let operation = draft.finish(id.trim_end_matches('_').to_owned(), &about);
        let at_path = self.documented.paths.entry(whole).or_insert_with(|| Value::Object(Map::new()));
        at_path[verb] = operation.into();
        Self { router: self.router.route(path, on(method, handler)), ..self }
    }
}
