//! Every route that programs use, with what it does: the router and the OpenAPI document come from this list.

use super::{
    exports, frames, generations, health, inspect_png, media, metrics, models, names,
    openapi::{self, About, Api},
    projects, queue, settings, takes, tasks,
};
use crate::ws;
use serde_json::{Value, json};

/// Projects and what is on their timelines.
pub fn studio(api: Api) -> Api {
    api.get("/projects", projects::list::list, About::new("projects", "Projects, newest change first."))
        .post("/projects", projects::create::create, About::new("projects", "Makes a project.").status(201))
        .get("/projects/{id}", projects::read::read, About::new("projects", "One project."))
        .patch("/projects/{id}", projects::update::update, About::new("projects", "Changes the fields that are named."))
        .delete(
            "/projects/{id}",
            projects::delete::delete,
            About::new("projects", "Deletes a project; it can be restored for thirty days.").status(204),
        )
        .post("/projects/{id}/restore", projects::restore::restore, About::new("projects", "Takes a deletion back."))
        .get("/projects/{id}/frames", frames::list::list, About::new("frames", "A project's frames in their order."))
        .post(
            "/projects/{id}/generations",
            generations::create::create,
            About::new("generations", "Queues a generation: new takes of a frame, or takes of a new frame.")
                .status(202)
                .fails(&[409])
                .header(
                    "Idempotency-Key",
                    "A repeated request with the same key is answered with the same tasks.",
                    key_schema,
                ),
        )
        .patch("/frames/{id}", frames::update::update, About::new("frames", "Changes the fields that are named."))
        .delete(
            "/frames/{id}",
            frames::delete::delete,
            About::new("frames", "Deletes a frame; it can be restored for thirty days.").status(204),
        )
        .post(
            "/frames/{id}/restore",
            frames::restore::restore,
            About::new("frames", "Takes a deletion back.").fails(&[409]),
        )
        .post(
            "/frames/{id}/duplicate",
            frames::duplicate::duplicate,
            About::new("frames", "Makes a frame behind it that shows a copy of its picture.").status(201).fails(&[409]),
        )
        .get("/frames/{id}/takes", takes::list::list, About::new("takes", "A frame's takes, newest first."))
        .delete(
            "/takes/{id}",
            takes::delete::delete,
            About::new("takes", "Deletes a take and its picture for good.").status(204).fails(&[409]),
        )
}

/// Sequences as files.
pub fn files(api: Api) -> Api {
    let about = |summary| About::new("exports", summary);
    api.post(
        "/projects/{id}/exports",
        exports::create::create,
        about("Begins to write the project's frames into one file.").status(202).fails(&[409, 429]),
    )
    .get("/projects/{id}/exports", exports::list::list, about("A project's exports, newest first."))
    .get("/exports/{id}", exports::read::read, about("An export: how far it is, and where its file is."))
    .delete("/exports/{id}", exports::delete::delete, about("Stops it and removes its file.").status(204))
    .get(
        "/exports/{id}/file",
        exports::file::file,
        about("The file.")
            .answers(&["application/zip", "image/gif", "image/apng", "image/webp", "video/mp4"])
            .also(&[(206, "The range of it."), (304, "The client has it."), (416, "No such range.")])
            .header("Range", "Bytes of it.", range_schema),
    )
}

/// Tasks and the queue.
pub fn work(api: Api) -> Api {
    let task = |summary| About::new("tasks", summary);
    let queue = |summary| About::new("queue", summary);
    api.get("/tasks", tasks::list::list, task("Tasks, newest first, a thousand at most."))
        .get("/tasks/{id}", tasks::read::read, task("One task."))
        .post("/tasks/{id}/cancel", tasks::cancel::cancel, task("Stops it and leaves nothing of it.").fails(&[409]))
        .post("/tasks/{id}/keep", tasks::keep::keep, task("Ends a running task with what it has.").fails(&[409]))
        .post("/tasks/{id}/retry", tasks::retry::retry, task("Queues a failed or cancelled task again.").fails(&[409]))
        .get("/queue", queue::read::read, queue("What runs, and what waits in its order."))
        .post("/queue/pause", queue::pause::pause, queue("Keeps waiting tasks waiting; running ones go on."))
        .post("/queue/resume", queue::resume::resume, queue("Lets waiting tasks run again."))
        .put("/queue/order", queue::order::order, queue("Puts waiting tasks into another order.").fails(&[404, 409]))
}

/// What can be chosen, and this document.
pub fn server(api: Api) -> Api {
    let about = |summary| About::new("server", summary);
    api.get("/models", models::list::list, about("The models that can be chosen, the default first; with it, what else is in their folder and why it cannot be."))
        .get("/samplers", names::samplers::samplers, about("Sampling methods, by ComfyUI's names."))
        .get("/schedulers", names::schedulers::schedulers, about("Noise schedules, by ComfyUI's names, and diffusers' leading, linspace and trailing."))
        .get("/settings", settings::read::read, about("The server's settings."))
        .patch("/settings", settings::update::update, about("Changes the fields that are named."))
        .get("/openapi.json", openapi::read::read, about("This document.").answers(&["application/json"]))
        .get("/docs", openapi::page::page, about("This document as a page.").answers(&["text/html"]))
}

/// What is not under `/api/v1`.
pub fn root(api: Api) -> Api {
    let about = |summary| About::new("server", summary);
    api.get("/health/live", health::live::live, about("The process answers.").answers(&["text/plain"]))
        .get("/health/ready", health::ready::ready, about("The database answers too.").answers(&["text/plain"]))
        .get("/metrics", metrics::read::read, about("Figures for Prometheus.").answers(&["text/plain"]))
        .get(
            "/media/{name}",
            media::read,
            About::new("media", "A picture: <key>.png. With ?v=<etag>, the very bytes of that tag, for good.")
                .answers(&["image/png"])
                .also(&[(206, "The range of it."), (304, "The client has it."), (416, "No such range.")])
                .header("Range", "Bytes of it.", range_schema),
        )
        .get(
            "/ws",
            ws::connect,
            About::new("events", "The WebSocket of events.")
                .status(101)
                .also(&[(400, "The query is wrong, or it is no WebSocket."), (426, "It is no WebSocket.")]),
        )
}

/// What takes a picture: its body may be larger.
pub fn pictures(api: Api) -> Api {
    api.post(
        "/api/v1/inspect-png",
        inspect_png::create::create,
        About::new("media", "The record that a PNG, JPEG or WebP file carries: A1111's, ComfyUI's and others' too."),
    )
    .post(
        "/api/v1/projects/{id}/frames",
        frames::create::create,
        About::new("frames", "Makes a frame of a picture; without a body, a white one of the project's size.")
            .status(201),
    )
}

fn range_schema() -> Value {
    json!({"type": "string"})
}

fn key_schema() -> Value {
    json!({"type": "string", "pattern": "^[!-~]{1,255}$"})
}
