//! The tables for diesel, the same for both databases. `migrations/` creates them. The tests read every column through
//! these definitions on both databases.

diesel::table! {
    /// Projects. A deleted project can be restored until it is purged.
    projects (id) {
        /// Never reused.
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
        /// Epoch milliseconds; the list is sorted by it.
        updated_at -> BigInt,
        /// Epoch milliseconds; NULL while it is live.
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Frames on a project's timeline.
    frames (id) {
        /// Never reused.
        id -> BigInt,
        /// Its project.
        project_id -> BigInt,
        /// Order on the timeline; ties are sorted by id. May have gaps.
        position -> Integer,
        /// In frames of the project's rate.
        duration -> Integer,
        /// The take that it shows while no task of it runs; one of its own takes.
        selected_take_id -> Nullable<BigInt>,
        /// The user's note.
        note -> Text,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Epoch milliseconds; NULL while it is live.
        deleted_at -> Nullable<BigInt>,
        /// Whether it was deleted because nothing was left to show, and not by a user.
        emptied -> Bool,
    }
}

diesel::table! {
    /// Generations: one task for each picture, with everything that is needed to reproduce it.
    tasks (id) {
        /// Never reused.
        id -> BigInt,
        /// Its frame's project.
        project_id -> BigInt,
        /// Its frame.
        frame_id -> BigInt,
        /// One of `protocol::TaskStatus`' names, except `paused`.
        status -> Text,
        /// Number of starts; 0 before the first.
        attempt -> Integer,
        /// JSON.
        parameters -> Text,
        /// 0 to 2^53 - 1.
        seed -> BigInt,
        /// Why it failed.
        error -> Nullable<Text>,
        /// Place in the queue; ties are sorted by id.
        queue_order -> BigInt,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Epoch milliseconds of the last start.
        started_at -> Nullable<BigInt>,
        /// Epoch milliseconds; NULL while it is queued or running.
        finished_at -> Nullable<BigInt>,
        /// How often the server ended uncleanly while it ran.
        unclean_ends -> Integer,
        /// Whether a user paused it. Its status is `queued` then.
        paused -> Bool,
        /// Steps that are done and saved.
        done_steps -> Integer,
        /// Whether its next start makes the current estimate the finished picture.
        keeps -> Bool,
        /// Whether it waits until no other task does, and steps aside for those.
        overnight -> Bool,
        /// Number of steps after which it pauses by itself; NULL if it does not, or was resumed.
        pause_at -> Nullable<Integer>,
    }
}

diesel::table! {
    /// Pictures: one for each task.
    takes (id) {
        /// Never reused.
        id -> BigInt,
        /// Its frame's project.
        project_id -> BigInt,
        /// Its frame.
        frame_id -> BigInt,
        /// Its task.
        task_id -> BigInt,
        /// Random; the picture is at `/media/<key>.png`.
        key -> Text,
        /// Pixels.
        width -> Integer,
        /// Pixels.
        height -> Integer,
        /// Hash of the final picture's bytes; NULL until it is finished.
        etag -> Nullable<Text>,
        /// The sampling step at which it was finished.
        finished_step -> Nullable<Integer>,
        /// Epoch milliseconds; NULL until it is finished.
        finished_at -> Nullable<BigInt>,
        /// Epoch milliseconds.
        created_at -> BigInt,
        /// Whether its trace stays when space is needed.
        trace_pinned -> Bool,
        /// The object of the final picture; NULL if that is the file `<key>.png`.
        object -> Nullable<Text>,
        /// Epoch milliseconds; NULL while it is live.
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Settings of the whole server.
    settings (name) {
        /// 1 to 64 characters.
        name -> Text,
        /// The format is the setting's owner's choice.
        value -> Text,
    }
}

diesel::table! {
    /// Idempotency keys and the responses to their requests.
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

diesel::table! {
    /// Styles. A deleted style can be restored until it is purged.
    styles (id) {
        /// Never reused.
        id -> BigInt,
        /// 1 to 120 characters; no other live style has it.
        name -> Text,
        /// What it adds to the prompt.
        prompt -> Text,
        /// What it adds to the negative prompt.
        negative_prompt -> Text,
        /// Epoch milliseconds; NULL while it is live.
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Files of the library: what is known about each, and the user's marks.
    library_files (id) {
        /// From the folder and the path inside it.
        id -> Text,
        /// The folder of the library.
        folder -> Text,
        /// Path inside the folder.
        file -> Text,
        /// Size in bytes when it was read.
        bytes -> BigInt,
        /// Epoch milliseconds of its last change when it was read.
        modified_ms -> BigInt,
        /// What its header says, in a form that the library chooses.
        facts -> Nullable<Text>,
        /// SHA-256 of the whole file.
        sha256 -> Nullable<Text>,
        /// SHA-256 of the bytes behind the header.
        tensors_sha256 -> Nullable<Text>,
        /// A favourite of the user.
        favourite -> Bool,
        /// The user's mark: how it was distilled.
        distillation -> Nullable<Text>,
        /// The user's title.
        title -> Nullable<Text>,
    }
}

diesel::table! {
    /// Traces and saved states that are objects of an object store.
    trace_objects (key, kind) {
        /// The take's key. The take may not be there yet, or not any more.
        key -> Text,
        /// One of `store::TraceKind`'s names.
        kind -> Text,
        /// The object.
        object -> Text,
        /// Its length.
        bytes -> BigInt,
        /// Steps that are done.
        step -> Integer,
        /// Epoch milliseconds.
        created_at -> BigInt,
    }
}

diesel::joinable!(frames -> projects (project_id));
diesel::joinable!(tasks -> frames (frame_id));
diesel::joinable!(takes -> frames (frame_id));
diesel::joinable!(takes -> tasks (task_id));
diesel::joinable!(idempotency_keys -> projects (project_id));
diesel::allow_tables_to_appear_in_same_query!(
    projects,
    frames,
    tasks,
    takes,
    settings,
    idempotency_keys,
    library_files,
    styles,
    trace_objects
);
