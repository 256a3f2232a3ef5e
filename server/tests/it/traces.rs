//! Traces of takes, and branches from their steps, with the real engine and the embedded starter model.

use crate::{
    checker::check,
    pauses::{ask, settings},
    support::{Events, TestServer, whole_png},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, thread, time::Duration};

/// A finished take, as its task in the answer to the request.
pub fn made(server: &TestServer, project: &Value, more: &Value) -> Value {
    let task = ask(server, project, more);
    server.wait_for_task(&task["task_id"], "completed");
    task
}

pub fn trace(server: &TestServer, take: &Value) -> Value {
    let answer = server.get(&format!("/api/v1/takes/{take}/trace"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The numbers of the kept steps that meet a condition.
pub fn steps(trace: &Value, is_wanted: impl Fn(&Value) -> bool) -> Vec<u64> {
    let steps = trace["steps"].as_array().expect("a list").iter().filter(|step| is_wanted(step));
    steps.map(|step| step["step"].as_u64().expect("a number")).collect()
}

/// The pictures of all steps.
pub fn pictures(server: &TestServer, take: &Value) -> Vec<Vec<u8>> {
    let trace = trace(server, take);
    let paths = trace["steps"].as_array().expect("a list").iter().map(|step| step["path"].clone());
    paths.map(|path| server.bytes(path.as_str().expect("a path")).1).collect()
}

pub fn branch(server: &TestServer, take: &Value, body: &Value) -> Value {
    let answer = server.send("POST", &format!("/api/v1/takes/{take}/branch"), body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["tasks"][0].clone()
}

pub fn branched(server: &TestServer, take: &Value, body: &Value) -> Value {
    let task = branch(server, take, body);
    server.wait_for_task(&task["task_id"], "completed");
    task
}

/// The bytes of a finished picture.
fn file(server: &TestServer, task: &Value) -> Vec<u8> {
    server.bytes(task["preview_path"].as_str().expect("a path")).1
}

/// The compressed pixels of a PNG: all but its text. Equal pictures have equal ones.
pub fn pixels(png: &[u8]) -> Vec<u8> {
    let (mut at, mut data) = (8, Vec::new());
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            data.extend(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    assert!(!data.is_empty(), "a picture has pixels");
    data
}

fn traces(server: &TestServer) -> BTreeSet<String> {
    let entries = fs::read_dir(server.data_dir().join("traces")).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn trace_name(task: &Value) -> String {
    let path = task["preview_path"].as_str().expect("a path");
    path.trim_start_matches("/media/").replace(".png", ".trace")
}

#[test]
fn every_step_of_a_take_can_be_seen_and_its_address_never_changes() {
    let server = TestServer::start();
    let project = server.create("Looking");
    assert_eq!(server.get("/api/v1/settings").json()["trace"], "looking", "the default");
    let task = made(&server, &project, &json!({"steps": 5, "width": 128}));
    let take = &task["take_id"];
    let seen = trace(&server, take);
    assert_eq!((&seen["take_id"], &seen["total_steps"]), (take, &json!(5)));
    assert_eq!(steps(&seen, |_| true), [1, 2, 3, 4, 5]);
    assert_eq!(steps(&seen, |step| step["can_branch"] == true), [0_u64; 0], "there are pictures only");
    let pictures = pictures(&server, take);
    assert_eq!(pictures.iter().map(Vec::len).sum::<usize>() as u64, seen["bytes"].as_u64().expect("a number"));
    assert!(pictures.iter().all(|png| whole_png(png) == Some((16, 8))), "they have the latent's size");
    assert_eq!(pictures.iter().collect::<BTreeSet<_>>().len(), 5, "each step has its own");

    let path = seen["steps"][2]["path"].as_str().expect("a path");
    let (answer, _) = server.bytes(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"));
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    let tag = answer.header("etag").to_owned();
    assert_eq!(server.request("GET", path, &[("if-none-match", &tag)], None).status, 304);
    let plain = path.split('?').next().expect("a path");
    assert_eq!(server.get(plain).header("cache-control"), "no-cache");
    assert_eq!(server.get(&format!("{plain}?v=0")).header("cache-control"), "no-cache");
    let key = plain.split('/').nth(2).expect("a key");
    for name in ["0.png", "6.png", "-1.png", "+1.png", "3", "3.jpg", "99999999999.png", ".png", "x.png"] {
        assert_eq!(server.get(&format!("/media/{key}/steps/{name}")).status, 404, "{name}");
    }
    assert_eq!(server.get(&format!("/media/{}/steps/1.png", "0".repeat(32))).status, 404);
    assert_eq!(server.get("/media/..%2Fx/steps/1.png").status, 404);
    assert_eq!(server.get("/api/v1/takes/99/trace").status, 404);

    let refused = server.send("POST", &format!("/api/v1/takes/{take}/branch"), &json!({"from_step": 2}));
    assert_eq!((refused.status, refused.bad_fields()), (422, vec!["from_step".to_owned()]));
    // Without traces there is none, which is not an error.
    settings(&server, &json!({"trace": "off"}));
    let task = made(&server, &project, &json!({"steps": 2}));
    let none = trace(&server, &task["take_id"]);
    assert_eq!((&none["steps"], &none["bytes"], &none["total_steps"]), (&json!([]), &json!(0), &json!(0)));
    assert_eq!(traces(&server).len(), 1);
}

#[test]
fn an_unchanged_branch_from_any_step_is_the_same_picture() {
    let server = TestServer::start();
    let project = server.create("Unchanged");
    settings(&server, &json!({"trace": "all"}));
    let steps_of = |more: &Value, from: &[u64]| {
        let original = made(&server, &project, more);
        let (take, whole) = (&original["take_id"], file(&server, &original));
        let seen = trace(&server, take);
        assert_eq!(steps(&seen, |step| step["can_branch"] == true), [1, 2, 3, 4], "{more}");
        for step in from {
            let mut events = Events::connect(&server, "");
            let task = branched(&server, take, &json!({"from_step": step}));
            assert_eq!(pixels(&file(&server, &task)), pixels(&whole), "{more} from step {step}");
            assert_eq!(pictures(&server, &task["take_id"]), pictures(&server, take), "{more} from step {step}");
            let is_own = |event: &&Value| event["data"]["task_id"] == task["task_id"];
            let mut heard = Vec::new();
            // The event about the original's end may be heard first.
            while heard.last().filter(is_own).is_none() {
                heard.extend(events.until("generation_completed", Duration::from_secs(60)));
            }
            let progress = heard.iter().filter(is_own).filter(|event| event["type"] == "generation_progress");
            let ran: Vec<_> = progress.map(|event| event["data"]["step"].as_u64().expect("a step")).collect();
            assert_eq!(ran, (step + 1..=5).collect::<Vec<_>>(), "only the rest is computed");
            assert_eq!(task["frame_id"], original["frame_id"], "it is another take of the frame");
        }
        original
    };
    for sampler in ["euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_3m_sde", "dpmpp_sde", "uni_pc", "lms"] {
        steps_of(&json!({"steps": 5, "sampler": sampler, "scheduler": "karras"}), &[1, 3, 4]);
    }
    // Prompt editing counts evaluations of the model from the first step on.
    steps_of(&json!({"steps": 5, "sampler": "heun", "prompt": "a [red|blue] car [in rain:3]"}), &[2, 3]);
    let original = steps_of(&json!({"steps": 5, "sampler": "ddpm", "cfg_scale": 4.0, "negative_prompt": "rain"}), &[3]);

    // A branch of a branch, from a later step and from the shared one.
    let first = branched(&server, &original["take_id"], &json!({"from_step": 2}));
    for step in [2, 4] {
        let second = branched(&server, &first["take_id"], &json!({"from_step": step}));
        assert_eq!(pixels(&file(&server, &second)), pixels(&file(&server, &original)));
    }
    let refused = server.send("POST", &format!("/api/v1/takes/{}/branch", first["take_id"]), &json!({"from_step": 1}));
    assert!(refused.text.contains("must be a kept step from 2 to 4, not 1"), "{}", refused.text);
}

#[test]
fn a_changed_branch_shares_the_first_steps_and_says_so() {
    let server = TestServer::start();
    let project = server.create("Changed");
    settings(&server, &json!({"trace": "all"}));
    let original = made(&server, &project, &json!({"steps": 6, "sampler": "euler_ancestral", "cfg_scale": 3.0}));
    let take = &original["take_id"];
    let (whole, formed) = (pixels(&file(&server, &original)), pictures(&server, take));
    let changes = [
        json!({"prompt": "a green tree on a blue background"}),
        json!({"negative_prompt": "a car"}),
        json!({"cfg_scale": 7.5}),
        json!({"sampler": "dpmpp_2m"}),
        json!({"seed": 8}),
    ];
    for change in changes {
        let mut body = change.clone();
        body["from_step"] = json!(3);
        let task = branched(&server, take, &body);
        assert_ne!(pixels(&file(&server, &task)), whole, "{change}");
        let own = pictures(&server, &task["take_id"]);
        assert_eq!(own.len(), 6, "{change}");
        assert_eq!(own[..3], formed[..3], "{change}: the shared steps");
        // Another sampler or seed changes only what follows the next estimate.
        assert_ne!(own[5], formed[5], "{change}: the last step");
        let task = server.get(&format!("/api/v1/tasks/{}", task["task_id"])).json();
        let (field, value) = change.as_object().and_then(|change| change.iter().next()).expect("one field");
        let recorded = if field == "seed" { &task["seed"] } else { &task["parameters"][field] };
        assert_eq!(recorded, value);
        assert_eq!((&task["parameters"]["branch_of"], &task["parameters"]["from_step"]), (take, &json!(3)));
    }
    let list = server.get(&format!("/api/v1/frames/{}/takes", original["frame_id"])).json();
    let takes = list.as_array().expect("a list");
    assert_eq!(takes.iter().filter(|other| other["parameters"]["branch_of"] == *take).count(), 5);
    assert!(takes.last().expect("the original")["parameters"].get("branch_of").is_none());
    // The picture's own record has it too, and says that it cannot be applied.
    let png = server.bytes(takes[0]["path"].as_str().expect("a path")).1;
    let read = server.request("POST", "/api/v1/inspect-png", &[], Some(&png)).json();
    assert!(read["record"]["not_applied"].to_string().contains("from_step"), "{read}");
    assert!(String::from_utf8_lossy(&png).contains(&format!("\"branch_of\":{take},\"from_step\":3")));

    let bad = |body: Value| server.send("POST", &format!("/api/v1/takes/{take}/branch"), &body);
    for (body, field) in [
        (json!({"from_step": 0}), "from_step"),
        (json!({"from_step": 6}), "from_step"),
        (json!({"from_step": -1}), "from_step"),
        (json!({"from_step": 2, "sampler": "eulr"}), "sampler"),
        (json!({"from_step": 2, "cfg_scale": 31}), "cfg_scale"),
        (json!({"from_step": 2, "loras": [{"name": "none", "unet_weight": 1}]}), "loras"),
    ] {
        assert_eq!(bad(body.clone()).bad_fields(), [field], "{body}");
    }
    assert_eq!(bad(json!({})).status, 422);
    assert_eq!(bad(json!({"from_step": 2, "steps": 9})).status, 422, "the steps are the same");
    assert_eq!(server.send("POST", "/api/v1/takes/99/branch", &json!({"from_step": 2})).status, 404);
}

#[test]
fn a_branch_of_a_picture_from_a_picture_needs_it_no_more() {
    let server = TestServer::start();
    let project = server.create("Over a picture");
    settings(&server, &json!({"trace": "all"}));
    let start = made(&server, &project, &json!({"steps": 3, "seed": 1}));
    // A second take, so that the first one can be deleted.
    made(&server, &project, &json!({"steps": 1, "seed": 2, "frame_id": start["frame_id"]}));
    for (scheduler, strength, total) in [("leading", 0.5, 4), ("karras", 0.7, 8)] {
        let more = json!({
            "steps": 8, "sampler": "dpmpp_2m_sde", "scheduler": scheduler,
            "init_take_id": start["take_id"], "strength": strength,
        });
        let original = made(&server, &project, &more);
        assert_eq!(trace(&server, &original["take_id"])["total_steps"], total);
        if scheduler == "karras" {
            assert_eq!(server.request("DELETE", &format!("/api/v1/takes/{}", start["take_id"]), &[], None).status, 204);
        }
        for step in 1..total {
            let task = branched(&server, &original["take_id"], &json!({"from_step": step}));
            assert_eq!(
                pixels(&file(&server, &task)),
                pixels(&file(&server, &original)),
                "{scheduler} from step {step}"
            );
        }
    }
}

#[test]
fn traces_live_and_end_with_their_takes() {
    let server = TestServer::start();
    let project = server.create("Life");
    settings(&server, &json!({"trace": "all"}));
    let first = made(&server, &project, &json!({"steps": 3}));
    let second = made(&server, &project, &json!({"steps": 3, "frame_id": first["frame_id"], "seed": 8}));
    let third = made(&server, &project, &json!({"steps": 3}));
    let names = |tasks: &[&Value]| tasks.iter().map(|task| trace_name(task)).collect::<BTreeSet<_>>();
    assert_eq!(traces(&server), names(&[&first, &second, &third]));
    // A deleted frame or take can be restored, with its trace.
    let frame = format!("/api/v1/frames/{}", third["frame_id"]);
    assert_eq!(server.request("DELETE", &frame, &[], None).status, 204);
    assert_eq!(server.get(&format!("/api/v1/takes/{}/trace", third["take_id"])).status, 404);
    assert_eq!(server.request("POST", &format!("{frame}/restore"), &[], None).status, 200);
    assert_eq!(steps(&trace(&server, &third["take_id"]), |_| true), [1, 2, 3]);
    assert_eq!(server.request("DELETE", &format!("/api/v1/takes/{}", second["take_id"]), &[], None).status, 204);
    assert_eq!(server.get(&format!("/api/v1/takes/{}/trace", second["take_id"])).status, 404);
    let restore = format!("/api/v1/takes/{}/restore", second["take_id"]);
    assert_eq!(server.request("POST", &restore, &[], None).status, 200);
    assert_eq!(steps(&trace(&server, &second["take_id"]), |_| true), [1, 2, 3]);
    assert_eq!(traces(&server), names(&[&first, &second, &third]));
    // Cancelled: nothing is left. Kept: the steps that ran are.
    let running = ask(&server, &project, &json!({"steps": 1000}));
    server.wait_for_start(&running["task_id"], 1);
    while !traces(&server).contains(&trace_name(&running)) {
        thread::sleep(Duration::from_millis(2));
    }
    let act = |verb: &str, task: &Value| {
        let path = format!("/api/v1/tasks/{}/{verb}", task["task_id"]);
        assert_eq!(server.request("POST", &path, &[], None).status, 200, "{verb}");
    };
    act("cancel", &running);
    assert_eq!(traces(&server), names(&[&first, &second, &third]));
    let kept = ask(&server, &project, &json!({"steps": 1000}));
    server.wait_for_start(&kept["task_id"], 1);
    while steps(&trace(&server, &kept["take_id"]), |_| true).len() < 3 {
        thread::sleep(Duration::from_millis(2));
    }
    act("keep", &kept);
    server.wait_for_idle();
    let task = server.get(&format!("/api/v1/tasks/{}", kept["task_id"])).json();
    let seen = trace(&server, &kept["take_id"]);
    assert_eq!(steps(&seen, |_| true).last().copied(), task["step"].as_u64(), "{task}");
    // A kept picture can go on from any step before the one that it was kept at.
    let last = steps(&seen, |step| step["can_branch"] == true).last().copied().expect("some");
    assert_eq!(Some(last + 1), task["step"].as_u64());
    let on = branch(&server, &kept["take_id"], &json!({"from_step": last}));
    server.wait_for_start(&on["task_id"], 1);
    act("cancel", &on);
    // A cancelled branch that is retried takes the steps from the other take again.
    let on = branch(&server, &first["take_id"], &json!({"from_step": 2}));
    server.wait_for_task(&on["task_id"], "completed");
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    check(&folder.path().join("data"));

    // A trace whose take the database does not know is put away, not deleted.
    let stray = folder.path().join("data/traces").join(format!("{}.trace", "f".repeat(32)));
    fs::write(&stray, "stray").expect("written");
    fs::write(folder.path().join("data/traces").join(format!("{}.1.tmp", "e".repeat(32))), "half").expect("written");
    let data = folder.path().join("data").display().to_string();
    let doctor = crate::support::run(&["doctor", "--data-dir", &data]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("1 traces without a row"), "{doctor:?}");
    let server = TestServer::start_in(folder, &[]);
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
    let away = fs::read_dir(folder.path().join("data/lost+found")).expect("a folder").next().expect("one start");
    let away = away.expect("an entry").path().join(stray.file_name().expect("a name"));
    assert_eq!(fs::read(away).expect("put away"), b"stray");
}

#[test]
fn a_branch_that_was_cancelled_can_be_retried() {
    let server = TestServer::start();
    let project = server.create("Retried");
    settings(&server, &json!({"trace": "all"}));
    let original = made(&server, &project, &json!({"steps": 400}));
    let on = branch(&server, &original["take_id"], &json!({"from_step": 100}));
    let act = |verb: &str| server.request("POST", &format!("/api/v1/tasks/{}/{verb}", on["task_id"]), &[], None);
    assert_eq!(act("cancel").status, 200);
    let retried = act("retry");
    assert_eq!(retried.status, 200, "{}", retried.text);
    server.wait_for_task(&on["task_id"], "completed");
    let retried = server.get(&format!("/api/v1/tasks/{}", on["task_id"])).json();
    assert_eq!(pixels(&file(&server, &retried)), pixels(&file(&server, &original)));
    // Without the other take's trace a retry says what is missing.
    let on = branch(&server, &original["take_id"], &json!({"from_step": 100}));
    let act = |verb: &str| server.request("POST", &format!("/api/v1/tasks/{}/{verb}", on["task_id"]), &[], None);
    assert_eq!(act("cancel").status, 200);
    fs::remove_file(server.data_dir().join("traces").join(trace_name(&original))).expect("removed");
    assert_eq!(act("retry").status, 200);
    server.wait_for_task(&on["task_id"], "failed");
    let error = server.get(&format!("/api/v1/tasks/{}", on["task_id"])).json()["error"].to_string();
    assert!(error.contains("the first steps cannot be taken from the other take: the trace"), "{error}");
}

#[test]
fn space_for_traces_is_limited_for_a_take_and_in_total() {
    let server = TestServer::start();
    let project = server.create("Limits");
    // A state of uni_pc at 256 x 256 pixels has up to 5 tensors of 16 kB: 25 steps take almost 2 MiB.
    let large = |seed: u64| json!({"steps": 25, "width": 256, "height": 256, "sampler": "uni_pc", "seed": seed});
    settings(&server, &json!({"trace": "all", "trace_take_mib": 1}));
    let cut = made(&server, &project, &large(1));
    let seen = trace(&server, &cut["take_id"]);
    assert!(seen["bytes"].as_u64().expect("a number") <= 1 << 20, "{seen}");
    let with_state = steps(&seen, |step| step["can_branch"] == true).len();
    assert!((5..24).contains(&with_state), "{with_state} states fit");
    let next = branched(&server, &cut["take_id"], &json!({"from_step": with_state}));
    assert_eq!(pixels(&file(&server, &next)), pixels(&file(&server, &cut)), "those that fit are whole");

    settings(&server, &json!({"trace_take_mib": 100, "trace_project_mib": 4}));
    let all: Vec<Value> = (2..6).map(|seed| made(&server, &project, &large(seed))).collect();
    server.wait_for_idle();
    // The end of the last task frees the space.
    let other = server.create("Other");
    made(&server, &other, &json!({"steps": 1}));
    made(&server, &other, &json!({"steps": 1}));
    let left = traces(&server);
    assert!(!left.contains(&trace_name(&cut)) && !left.contains(&trace_name(&all[0])), "the oldest are gone");
    assert!(left.contains(&trace_name(&all[3])), "the newest stays");
    assert_eq!(trace(&server, &cut["take_id"])["steps"], json!([]));
    assert_eq!(whole_png(&file(&server, &cut)), Some((256, 256)), "the picture stays");
    for patch in [json!({"trace_take_mib": 0}), json!({"trace_total_mib": 1 << 30}), json!({"trace": "some"})] {
        let field = patch.as_object().and_then(|patch| patch.keys().next()).expect("one field");
        assert_eq!(server.send("PATCH", "/api/v1/settings", &patch).bad_fields(), [field.as_str()]);
    }
}

#[test]
fn a_pinned_trace_stays_when_the_space_is_used_up() {
    let server = TestServer::start();
    let project = server.create("Pinned");
    let large = |seed: u64| json!({"steps": 25, "width": 256, "height": 256, "sampler": "uni_pc", "seed": seed});
    settings(&server, &json!({"trace": "all", "trace_project_mib": 4}));
    let first = made(&server, &project, &large(1));
    let path = format!("/api/v1/takes/{}", first["take_id"]);
    let pin = |trace_pinned: bool| server.send("PATCH", &path, &json!({"trace_pinned": trace_pinned}));
    assert_eq!(trace(&server, &first["take_id"])["trace_pinned"], false);
    let pinned = pin(true).json();
    assert_eq!((&pinned["id"], &pinned["trace_pinned"]), (&first["take_id"], &json!(true)));
    assert_eq!(trace(&server, &first["take_id"])["trace_pinned"], true);
    assert_eq!(server.send("PATCH", &path, &json!({"trace_pinned": "yes"})).bad_fields(), ["trace_pinned"]);
    assert_eq!(server.send("PATCH", "/api/v1/takes/999", &json!({"trace_pinned": true})).status, 404);
    let all: Vec<Value> = (2..6).map(|seed| made(&server, &project, &large(seed))).collect();
    // The end of a task frees the space.
    let frees = || {
        let other = server.create("Other");
        for _ in 0..2 {
            made(&server, &other, &json!({"steps": 1}));
        }
        traces(&server)
    };
    let left = frees();
    assert!(left.contains(&trace_name(&first)), "it is the oldest, and stays");
    assert!(!left.contains(&trace_name(&all[0])) && !left.contains(&trace_name(&all[1])), "the space is kept");
    assert!(left.contains(&trace_name(&all[3])), "the newest stays");
    assert_eq!(pin(false).status, 200);
    made(&server, &project, &large(6));
    assert!(!frees().contains(&trace_name(&first)));
}

#[test]
fn after_a_kill_traces_can_be_read_and_a_branch_is_made_again() {
    let server = TestServer::start();
    let project = server.create("Killed");
    settings(&server, &json!({"trace": "all"}));
    let original = made(&server, &project, &json!({"steps": 300, "sampler": "euler_ancestral"}));
    let expected = pixels(&file(&server, &original));
    let on = branch(&server, &original["take_id"], &json!({"from_step": 20}));
    server.wait_for_start(&on["task_id"], 1);
    thread::sleep(Duration::from_millis(60));
    let folder = server.kill();
    for entry in fs::read_dir(folder.path().join("data/traces")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "trace") {
            trace::Trace::read(fs::File::open(&path).expect("opens")).expect("a readable prefix");
        }
    }
    // The branch does not need the other take again.
    fs::remove_file(folder.path().join("data/traces").join(trace_name(&original))).expect("removed");
    let server = TestServer::start_in(folder, &[]);
    server.wait_for_task(&on["task_id"], "completed");
    assert_eq!(pixels(&file(&server, &on)), expected);
    let (_, _, folder) = server.stop();
    check(&folder.path().join("data"));
}
