//! Cost of traces. Prints, for the starter model on this machine and for each setting of `trace`: the time of a generation
//! relative to the time without a trace, and the bytes that a step takes. The settings alternate within one run, so that a change
//! of the machine's load affects all of them.
//!
//! `cargo bench --bench traces` (with `-- ROUNDS STEPS` to change 7 rounds of 60 steps; pictures of 512 x 512 pixels have a third
//! as many).

#[path = "support/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Server, median, numbers};

const LEVELS: [&str; 3] = ["off", "looking", "all"];

fn main() {
    let (rounds, steps) = numbers(7, 60);
    let server = Server::start(&[]);
    server.seconds(&server.generate("none", 2));
    for (side, steps) in [(128, steps), (512, steps.div_ceil(3))] {
        let mut times = LEVELS.map(|_| Vec::new());
        let mut bytes = LEVELS.map(|_| 0.0);
        for _ in 0..rounds {
            for (index, level) in LEVELS.iter().enumerate() {
                let mut settings = ureq::patch(format!("{}/api/v1/settings", server.url));
                settings = settings.header("content-type", "application/json");
                settings.send(json!({"trace": level}).to_string()).expect("set");
                let task = generate(&server, side, steps);
                times[index].push(server.seconds(&task));
                let trace = server.get(&format!("/api/v1/takes/{}/trace", task["take_id"]));
                bytes[index] = trace["bytes"].as_f64().expect("a number") / f64::from(steps);
            }
        }
        // A failed generation would be quick.
        assert_eq!(server.metric("emberline_tasks{status=\"failed\"}"), 0.0);
        println!("{rounds} rounds of {steps} steps at {side} x {side}, medians");
        for (index, level) in LEVELS.iter().enumerate() {
            let of_rounds = times[index].iter().zip(&times[0]).map(|(with, without)| with / without - 1.0).collect();
            let (time, over) = (median(times[index].clone()), 100.0 * median(of_rounds));
            println!("{level:8} {time:7.3} s, {over:+5.1} % over off; {:6.1} kB a step", bytes[index] / 1000.0);
        }
    }
}

fn generate(server: &Server, side: u32, steps: u32) -> Value {
    let body = json!({
        "prompt": "a red car on a yellow background", "seed": 1, "steps": steps, "preview_method": "none",
        "width": side, "height": side, "sampler": "dpmpp_2m",
    });
    server.post("/api/v1/projects/1/generations", &body)["tasks"][0].clone()
}
