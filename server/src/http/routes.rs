//! The list of the routes for programs. The router and the OpenAPI document are both built from it; each resource's file
//! has its routes, summaries and handlers.

use super::{
    exports, frames, generations, health, inspect_png, library, media, metrics, models,
    openapi::{self, Api},
    projects, queue, settings, steps, styles, takes, tasks, thumbnails, workers,
};

/// Routes under `/api/v1`.
pub fn api(api: Api) -> Api {
    let resources = [
        projects::routes,
        frames::routes,
        takes::routes,
        generations::routes,
        exports::routes,
        tasks::routes,
        queue::routes,
        models::routes,
        workers::routes,
        library::routes,
        settings::routes,
        styles::routes,
        openapi::routes,
    ];
    resources.into_iter().fold(api, |api, routes| routes(api))
}

/// Routes outside `/api/v1`, except that of the WebSocket.
pub fn root(api: Api) -> Api {
    let resources = [health::routes, metrics::routes, media::routes, thumbnails::routes, steps::routes];
    resources.into_iter().fold(api, |api, routes| routes(api))
}

/// Routes whose body is a picture and may therefore be larger. They are given with their whole path.
pub fn pictures(api: Api) -> Api {
    frames::picture_routes(inspect_png::picture_routes(api))
}
