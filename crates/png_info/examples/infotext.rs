//! Reads and writes A1111's text for `tests/reference/a1111.py --compare`.
//!
//! `infotext parse`: each line of standard input is a text as JSON; prints the parsed content. `infotext write`: each
//! line is `[prompt, negative prompt]`; prints the text that contains them, as JSON.

#[path = "../tests/records/sample.rs"]
mod sample;

use png_info::{Infotext, Parameters};
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let writes = std::env::args().nth(1).as_deref() == Some("write");
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let answer = if writes { written(&value) } else { read(value.as_str().unwrap_or_default()) };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn read(text: &str) -> Value {
    let Infotext { prompt, negative_prompt, pairs } = Infotext::parse(text);
    json!({ "prompt": prompt, "negative_prompt": negative_prompt, "pairs": pairs })
}

fn written(prompts: &Value) -> Value {
    let text = |place: usize| prompts[place].as_str().unwrap_or_default().to_owned();
    Value::from(sample::parameters(&text(0), &text(1)).to_a1111())
}
