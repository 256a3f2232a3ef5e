//! The tables as diesel sees them, the same for both databases. `migrations/` makes them; the tests read every
//! column of every table through these definitions on both.

diesel::table! {
    /// Projects; a deleted one stays, and can be restored, until it is purged.
    projects (id) {
        /// Never used twice.
        id -> BigInt,
        /// 1 to 120 characters.
        name -> Text,
        /// Picture width in pixels.
        width -> Integer,
        /// Picture height in pixels.
        height -> Integer,
        /// Frames per second.
        fps -> Integer,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Epoch milliseconds; the list is in this order.
        updated_at -> BigInt,
        /// Epoch milliseconds; NULL while it is not deleted.
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Places on a project's timeline.
    frames (id) {
        /// Never used twice.
        id -> BigInt,
        /// Its project.
        project_id -> BigInt,
        /// 0, 1, 2, ...; ties are in the order of ids.
        position -> Integer,
        /// In frames of the project's rate.
        duration -> Integer,
        /// The take that it shows when none is running; one of its own.
        selected_take_id -> Nullable<BigInt>,
        /// A person's note.
        note -> Text,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Epoch milliseconds; NULL while it is not deleted.
        deleted_at -> Nullable<BigInt>,
        /// Whether it was deleted because nothing was left to show, and not by a person.
        emptied -> Bool,
    }
}

diesel::table! {
    /// Generations: one each, with everything needed to make the same picture again.
    tasks (id) {
        /// Never used twice.
        id -> BigInt,
        /// Its frame's project.
        project_id -> BigInt,
        /// The frame that it makes a picture for.
        frame_id -> BigInt,
        /// One of `protocol::TaskStatus`' names.
        status -> Text,
        /// Counts the starts; 0 before the first.
        attempt -> Integer,
        /// JSON.
        parameters -> Text,
        /// 0 to 2^53 - 1.
        seed -> BigInt,
        /// Why it failed.
        error -> Nullable<Text>,
        /// The queue is worked in this order, then in the order of ids.
        queue_order -> BigInt,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Epoch milliseconds of the newest start.
        started_at -> Nullable<BigInt>,
        /// Epoch milliseconds; NULL while it is queued or running.
        finished_at -> Nullable<BigInt>,
        /// How often the server ended without being stopped while it ran.
        unclean_ends -> Integer,
    }
}

diesel::table! {
    /// Pictures: one for each task.
    takes (id) {
        /// Never used twice.
        id -> BigInt,
        /// Its frame's project.
        project_id -> BigInt,
        /// Its frame.
        frame_id -> BigInt,
        /// The task that makes it.
        task_id -> BigInt,
        /// Random; the picture is at `/media/<key>.png`.
        key -> Text,
        /// Pixels.
        width -> Integer,
        /// Pixels.
        height -> Integer,
        /// Hash of the final picture's bytes; NULL until it is finished.
        etag -> Nullable<Text>,
        /// The sampling step that it was finished at.
        finished_step -> Nullable<Integer>,
        /// Epoch milliseconds; NULL until it is finished.
        finished_at -> Nullable<BigInt>,
        /// Epoch milliseconds.
        created_at -> BigInt,
    }
}

diesel::table! {
    /// Settings of the whole server.
    settings (name) {
        /// 1 to 64 characters.
        name -> Text,
        /// In a form that the setting's owner chooses.
        value -> Text,
    }
}

diesel::table! {
    /// Requests that were answered under a key.
    idempotency_keys (project_id, key) {
        /// The project that the request was for.
        project_id -> BigInt,
        /// 1 to 255 characters, the client's choice.
        key -> Text,
        /// A hash of the request.
        fingerprint -> Text,
        /// JSON: `[protocol::AcceptedTask]`.
        tasks -> Text,
        /// Epoch milliseconds.
        created_at -> BigInt,
    }
}

diesel::joinable!(frames -> projects (project_id));
diesel::joinable!(tasks -> frames (frame_id));
diesel::joinable!(takes -> frames (frame_id));
diesel::joinable!(takes -> tasks (task_id));
diesel::joinable!(idempotency_keys -> projects (project_id));
diesel::allow_tables_to_appear_in_same_query!(projects, frames, tasks, takes, settings, idempotency_keys);
