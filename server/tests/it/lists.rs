//! Paginated lists: answers are limited in size, and no item is lost between two parts.

use crate::support::TestServer;
use serde_json::{Value, json};

/// Follows the parts of a list. Returns all ids, and the number of parts.
fn walk(server: &TestServer, path: &str) -> (Vec<i64>, usize) {
    let (base, mut query) = path.split_once('?').map(|(base, query)| (base, format!("?{query}"))).expect("a query");
    let (mut ids, mut parts) = (Vec::new(), 0);
    loop {
        let answer = server.get(&format!("{base}{query}"));
        assert_eq!(answer.status, 200, "{base}{query}: {}", answer.text);
        let list = answer.json();
        ids.extend(list.as_array().expect("an array").iter().map(|item| item["id"].as_i64().expect("an id")));
        parts += 1;
        let link = answer.header("link");
        if link.is_empty() {
            return (ids, parts);
        }
        let next = link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("an address");
        assert_eq!(next.1, "; rel=\"next\"", "{link}");
        query = next.0.to_owned();
    }
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().expect("an array").iter().map(|item| item["id"].as_i64().expect("an id")).collect()
}

#[test]
fn projects_come_in_parts_and_the_page_shows_the_first() {
    let server = TestServer::start();
    for number in 0..130 {
        server.create(&format!("Project {number}"));
    }
    let all = server.get("/api/v1/projects");
    assert_eq!((ids(&all.json()).len(), all.header("link")), (130, ""), "without a limit: all of them");
    for (limit, parts) in [(1000, 1), (130, 1), (65, 2), (50, 3)] {
        assert_eq!(walk(&server, &format!("/api/v1/projects?limit={limit}")), (ids(&all.json()), parts));
    }
    // A project that changes between two parts was already returned or moves to the top: none is lost and none
    // repeated.
    let first = server.get("/api/v1/projects?limit=2");
    let next = first.header("link").split_once('>').expect("a link").0.trim_start_matches('<').to_owned();
    let changed = format!("/api/v1/projects/{}", first.json()[1]["id"]);
    assert_eq!(server.send("PATCH", &changed, &json!({"name": "now the newest"})).status, 200);
    assert_eq!(ids(&server.get(&format!("/api/v1/projects{next}")).json()), ids(&all.json())[2..4]);

    let page = server.get("/");
    assert_eq!(page.text.matches("class=\"card\"").count(), 60);
    assert!(page.text.len() < 400_000, "{} bytes", page.text.len());
    let mut shown = Vec::new();
    let mut address = "/".to_owned();
    for part in [60, 60, 10] {
        let page = server.get(&address);
        assert_eq!((page.status, page.text.matches("class=\"card\"").count()), (200, part), "{address}");
        let links = page.text.split("href=\"/projects/").skip(1).filter_map(|rest| rest.split('"').next());
        shown.extend(links.map(str::to_owned));
        let more = page.text.split("href=\"?after=").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(more.is_some(), part == 60);
        address = more.map(|place| format!("/?after={place}")).unwrap_or_default();
    }
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 130, "each project is on one of the pages");
    assert!(!server.get("/projects/1").text.contains("Show more"));
    let list = server.get("/fn/projects/list");
    let packed: Value = serde_json::from_str(list.json().as_str().expect("packed")).expect("JSON");
    assert_eq!(ids(&packed).len(), 61, "one more than are shown says that there are more");
}

#[test]
fn frames_takes_tasks_and_exports_come_in_parts() {
    let server = TestServer::start();
    let project = server.create("Parts");
    server.send("POST", "/api/v1/queue/pause", &json!({}));
    let of = format!("/api/v1/projects/{}", project["id"]);
    for number in 0..5 {
        let made = server.request("POST", &format!("{of}/frames?position=0"), &[], Some(b""));
        assert_eq!(made.status, 201, "{number}: {}", made.text);
    }
    let frames = ids(&server.get(&format!("{of}/frames")).json());
    assert_eq!(walk(&server, &format!("{of}/frames?limit=2")), (frames.clone(), 3));
    let asked = json!({"prompt": "x", "frame_id": frames[0], "num_variants": 4, "width": 64, "height": 64});
    assert_eq!(server.send("POST", &format!("{of}/generations"), &asked).status, 202);
    let takes = format!("/api/v1/frames/{}/takes", frames[0]);
    assert_eq!(walk(&server, &format!("{takes}?limit=2")), (ids(&server.get(&takes).json()), 3));
    let tasks = ids(&server.get("/api/v1/tasks?status=queued").json());
    assert_eq!(tasks.len(), 4);
    assert_eq!(walk(&server, &format!("/api/v1/tasks?status=queued&project_id={}&limit=3", project["id"])), (tasks, 2));
    for _ in 0..3 {
        assert_eq!(server.send("POST", &format!("{of}/exports"), &json!({"format": "zip"})).status, 202);
    }
    let exports = ids(&server.get(&format!("{of}/exports")).json());
    assert_eq!(walk(&server, &format!("{of}/exports?limit=2")), (exports, 2));
}

#[test]
fn a_part_that_is_none_is_refused_by_name() {
    let server = TestServer::start();
    let project = server.create("Parts");
    let of = format!("/api/v1/projects/{}", project["id"]);
    for path in ["/api/v1/projects", "/api/v1/tasks", &format!("{of}/frames"), &format!("{of}/exports")] {
        for limit in ["", "0", "1001", "-1", "x", "1.5"] {
            let answer = server.get(&format!("{path}?limit={limit}"));
            assert_eq!((answer.status, answer.bad_fields()), (422, vec!["limit".to_owned()]), "{path} {limit}");
            assert!(answer.text.contains("1 to 1000"), "{}", answer.text);
        }
        for after in ["x", "%00", "1.5"] {
            let answer = server.get(&format!("{path}?after={after}"));
            assert_eq!((answer.status, answer.bad_fields()), (422, vec!["after".to_owned()]), "{path} {after}");
        }
        assert_eq!(server.get(&format!("{path}?after=")).status, 200, "{path}: empty is none");
    }
}
