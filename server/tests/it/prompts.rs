//! Styles, choices and wildcards: tasks record the prompts that they lead to.

use crate::support::{Events, TestServer, run};
use serde_json::{Value, json};
use std::{fs, time::Duration};

fn generate(server: &TestServer, project: &Value, body: &Value) -> (u16, Value) {
    let mut body = body.clone();
    for (name, value) in [("steps", json!(1)), ("width", json!(64)), ("height", json!(64))] {
        body[name] = value;
    }
    let answer = server.send("POST", &format!("/api/v1/projects/{}/generations", project["id"]), &body);
    (answer.status, answer.json())
}

/// Prompt and negative prompt of each task.
fn recorded(server: &TestServer, accepted: &Value) -> Vec<(String, String)> {
    let ids = accepted["tasks"].as_array().expect("tasks").iter().map(|task| &task["task_id"]);
    let prompts = ids.map(|id| server.get(&format!("/api/v1/tasks/{id}")).json()["parameters"].clone());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    prompts.map(|of| (text(&of["prompt"]), text(&of["negative_prompt"]))).collect()
}

#[test]
fn each_take_has_its_own_choices_and_the_same_seed_has_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("hair")).expect("a folder");
    fs::write(folder.path().join("hair/color.txt"), "# colours\nred\n\ngreen\nblue\n").expect("written");
    let server = TestServer::start_with(&["--wildcards", folder.path().to_str().expect("UTF-8")]);
    let project = server.create("Choices");
    let body = json!({
        "prompt": "a {cat|dog|fox} with __hair/color__ hair", "negative_prompt": "{2$$x|y}", "seed": 3, "num_variants": 8,
    });
    let (status, first) = generate(&server, &project, &body);
    assert_eq!((status, &first["warnings"]), (202, &json!([])), "{first}");
    let prompts = recorded(&server, &first);
    for (prompt, negative) in &prompts {
        let words: Vec<_> = prompt.split(' ').collect();
        assert!(["cat", "dog", "fox"].contains(&words[1]) && ["red", "green", "blue"].contains(&words[3]), "{prompt}");
        assert!(["x, y", "y, x"].contains(&negative.as_str()), "{negative}");
    }
    let mut different = prompts.clone();
    different.sort();
    different.dedup();
    assert!(different.len() > 2, "{prompts:?}");
    let (_, again) = generate(&server, &project, &body);
    assert_eq!(recorded(&server, &again), prompts);

    let (status, problem) = generate(&server, &project, &json!({"prompt": "a __hair/colour__ cat"}));
    let message = "has the unknown wildcard `__hair/colour__`; the nearest is `__hair/color__`";
    assert_eq!((status, &problem["errors"][0]), (422, &json!({"field": "prompt", "message": message})));
    let out = folder.path().join("out.png");
    let refused = run(&[
        "generate",
        "--prompt",
        "__hair/colour__",
        "--out",
        out.to_str().expect("UTF-8"),
        "--wildcards",
        folder.path().to_str().expect("UTF-8"),
    ]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("__hair/color__"));
}

#[test]
fn styles_are_kept_imported_and_recorded_as_what_they_add() {
    let server = TestServer::start();
    let project = server.create("Styles");
    let mut events = Events::connect(&server, "");
    let mut counted = || {
        let heard = events.until("styles_updated", Duration::from_secs(20));
        heard.last().expect("one")["data"]["styles"].clone()
    };
    let oil = server.send("POST", "/api/v1/styles", &json!({"name": " Oil ", "prompt": "oil of {prompt}"}));
    assert_eq!((oil.status, &oil.json()["name"]), (201, &json!("Oil")), "{}", oil.text);
    let path = format!("/api/v1/styles/{}", oil.json()["id"]);
    assert_eq!(oil.header("location"), path);
    assert_eq!(counted(), 1);
    assert_eq!(server.send("POST", "/api/v1/styles", &json!({"name": "Oil"})).bad_fields(), ["name"]);
    assert_eq!(server.send("PATCH", &path, &json!({"negative_prompt": "flat"})).json()["negative_prompt"], "flat");
    assert_eq!(counted(), 1);

    let body = json!({"prompt": "a {cat|cat}", "negative_prompt": "blurry", "styles": ["Oil", "Ink"]});
    let (status, problem) = generate(&server, &project, &body);
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("styles")), "{problem}");
    let csv = "name,prompt,negative_prompt\nInk,\"ink, paper\",\nOld,x,y\n";
    let imported = server.send("POST", "/api/v1/styles/import", &json!({"csv": csv}));
    assert_eq!((imported.status, imported.json().as_array().map(Vec::len)), (200, Some(2)), "{}", imported.text);
    assert_eq!(counted(), 3);
    let (status, accepted) = generate(&server, &project, &body);
    assert_eq!(status, 202, "{accepted}");
    assert_eq!(recorded(&server, &accepted), [("oil of a cat, ink, paper".to_owned(), "blurry, flat".to_owned())]);
    let task = || server.get(&format!("/api/v1/tasks/{}", accepted["tasks"][0]["task_id"])).json();
    assert_eq!(task()["parameters"]["styles"], json!(["Oil", "Ink"]));
    server.wait_for_task(&accepted["tasks"][0]["task_id"], "completed");
    let png = server.bytes(task()["preview_path"].as_str().expect("a path")).1;
    let record = png_info::read(&png).expect("a PNG").parameters.expect("a record");
    assert_eq!(
        (record.styles, record.prompt.as_str()),
        (vec!["Oil".to_owned(), "Ink".to_owned()], "oil of a cat, ink, paper")
    );

    let names = || -> Vec<String> {
        let styles = server.get("/api/v1/styles").json();
        styles
            .as_array()
            .expect("a list")
            .iter()
            .map(|style| style["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(), ["Ink", "Oil", "Old"]);
    assert_eq!(server.request("DELETE", &path, &[], None).status, 204);
    assert_eq!(names(), ["Ink", "Old"]);
    assert_eq!(counted(), 2);
    assert_eq!(server.request("POST", &format!("{path}/restore"), &[], None).json()["name"], "Oil");
    assert_eq!(names(), ["Ink", "Oil", "Old"]);
    assert_eq!(server.send("POST", "/api/v1/styles/import", &json!({"csv": "a,b\n"})).bad_fields(), ["csv"]);
}
