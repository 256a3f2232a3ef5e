//! Cost of previews. Prints, for the starter model on this machine:
//! - the time of a generation with each preview method, relative to the time without previews. The methods alternate
//!   within one run, so that a change of the machine's load affects all of them;
//! - the time from the end of a step to the renamed file, by stage;
//! - the number of requests per second answered with 304 at an address that is being generated.
//!
//! `cargo bench --bench previews` (with `-- ROUNDS STEPS` to change 7 rounds of 60 steps).

#[path = "support/server.rs"]
mod server;

use server::{Server, median, numbers};
use std::{
    thread,
    time::{Duration, Instant},
};

const METHODS: [&str; 3] = ["none", "latent2rgb", "taesd"];

fn main() {
    let (rounds, steps) = numbers(7, 60);
    let server = Server::start(&[]);
    server.seconds(&server.generate("taesd", 2));

    let mut times = METHODS.map(|_| Vec::new());
    let mut stages = METHODS.map(|_| [0.0; 4]);
    for _ in 0..rounds {
        for (index, method) in METHODS.iter().enumerate() {
            let names = ["count", "decode", "encode", "write"];
            let read = || {
                names.map(|name| match name {
                    "count" => server.metric("emberline_preview_seconds_count{stage=\"write\"}"),
                    stage => server.metric(&format!("emberline_preview_seconds_sum{{stage=\"{stage}\"}}")),
                })
            };
            let before = read();
            times[index].push(server.seconds(&server.generate(method, steps)));
            let after = read();
            stages[index]
                .iter_mut()
                .zip(after.iter().zip(before))
                .for_each(|(sum, (after, before))| *sum += after - before);
        }
    }
    println!("{rounds} rounds of {steps} steps at 128 x 128, medians");
    for (index, method) in METHODS.iter().enumerate() {
        let of_rounds: Vec<_> =
            times[index].iter().zip(&times[0]).map(|(with, without)| with / without - 1.0).collect();
        let [count, decode, encode, write] = stages[index];
        let ms = |sum: f64| if count > 0.0 { 1000.0 * sum / count } else { 0.0 };
        println!(
            "{method:10} {:6.3} s, {:+5.1} % over none; {:3.0} previews of {:.2} ms (decode {:.2}, encode {:.2}, write {:.2})",
            median(times[index].clone()),
            100.0 * median(of_rounds),
            count / f64::from(rounds),
            ms(decode + encode + write),
            ms(decode),
            ms(encode),
            ms(write),
        );
    }
    not_modified(&server);
}

/// Requests an unchanged picture over four connections for three seconds.
fn not_modified(server: &Server) {
    let task = server.generate("none", 1000);
    let url = format!("{}{}", server.url, task["preview_path"].as_str().expect("a path"));
    let count = || {
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
        let first = agent.get(&url).call().expect("an answer");
        let etag = first.headers().get("etag").expect("a tag").clone();
        let until = Instant::now() + Duration::from_secs(3);
        let mut count = 0;
        while Instant::now() < until {
            let answer = agent.get(&url).header("if-none-match", &etag).call().expect("an answer");
            assert_eq!(answer.status(), 304);
            count += 1;
        }
        count
    };
    let total: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    println!("304 while generating: {} requests a second over 4 connections", total / 3);
}
