//! Generates values from JSON schemas and validates values against them. Supports only the parts of JSON Schema that
//! the OpenAPI document uses.

use serde_json::{Map, Value, json};

/// Pseudorandom generator (SplitMix64). The same seed gives the same requests.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    pub fn text(&mut self) -> String {
        let pieces =
            ["", "a red car", "\0", "🔥🐉", "\"'<>&", "../../etc/passwd", "null", "\u{202e}", "((x:1.5)", "\n", "{}"];
        let count = self.below(4);
        let mut text: String = (0..count).map(|_| *self.one_of(&pieces)).collect();
        if self.below(12) == 0 {
            text = text.repeat(3000) + &"x".repeat(12_000);
        }
        text
    }

    /// A value of random type.
    pub fn any(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(u64::MAX),
            4 => json!(i64::MIN),
            5 => json!(1e308),
            6 => json!(0.5),
            7 => json!([[], {}, null]),
            8 => json!({"": {"": []}}),
            9 => json!([self.text()]),
            _ => json!(self.text()),
        }
    }

    /// Makes one field invalid, removes one, or adds one.
    pub fn spoil(&mut self, value: &mut Value) {
        let anything = self.any();
        let Some(fields) = value.as_object_mut().filter(|fields| !fields.is_empty()) else {
            *value = anything;
            return;
        };
        let names: Vec<_> = fields.keys().cloned().collect();
        let name = self.one_of(&names).clone();
        match self.below(4) {
            0 => _ = fields.remove(&name),
            1 => _ = fields.insert(self.text(), anything),
            _ => _ = fields.insert(name, anything),
        }
    }
}

/// The schemas of the OpenAPI document.
pub struct Schemas<'a>(&'a Value);

impl<'a> Schemas<'a> {
    pub fn of(document: &'a Value) -> Self {
        Self(document)
    }

    fn resolved<'b>(&self, schema: &'b Value) -> &'b Value
    where
        'a: 'b,
    {
        let reference = schema.get("$ref").and_then(Value::as_str);
        reference.map_or(schema, |to| self.0.pointer(to.trim_start_matches('#')).expect("a schema"))
    }

    /// A random value that matches the schema. Optional fields are present at random.
    pub fn value(&self, random: &mut Random, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(several) = several(schema) {
            let one = random.one_of(several);
            return self.value(random, one);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(names) = schema["enum"].as_array() {
            return random.one_of(names).clone();
        }
        let kinds = kinds(schema);
        match kinds.first().copied().unwrap_or("null") {
            "object" => self.object(random, schema),
            "array" => (0..random.below(4)).map(|_| self.value(random, &schema["items"])).collect(),
            "integer" => {
                let (least, most) = (schema["minimum"].as_u64().unwrap_or(1), schema["maximum"].as_u64().unwrap_or(3));
                let step = schema["multipleOf"].as_u64().unwrap_or(1);
                let number = *random.one_of(&[least, most, least + (most - least) / 2, least.saturating_add(step)]);
                json!(number / step * step)
            }
            "number" => json!(schema["minimum"].as_f64().unwrap_or(0.0) + random.below(2) as f64 / 2.0),
            "boolean" => json!(random.below(2) == 0),
            "string" => {
                let text: String = random.text().replace('\0', "").chars().take(100).collect();
                json!(if text.trim().is_empty() { "words".to_owned() } else { text.replace('\n', " ") })
            }
            _ => Value::Null,
        }
    }

    fn object(&self, random: &mut Random, schema: &Value) -> Value {
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        // Many optional fields together are rarely a valid combination: half of the objects have few of them.
        let one_in = *random.one_of(&[2, 12]);
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&&json!(name)) || random.below(one_in) == 0 {
                object.insert(name.clone(), self.value(random, field));
            }
        }
        Value::Object(object)
    }

    /// Panics if the value does not match the schema.
    pub fn check(&self, schema: &Value, value: &Value, context: &str) {
        if let Err(why) = self.fits(schema, value) {
            panic!("{context}: {why}");
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        if let Some(several) = several(schema) {
            let any = several.iter().any(|one| self.fits(one, value).is_ok());
            return any.then_some(()).ok_or_else(|| format!("{value} is none of {several:?}"));
        }
        if let Some(expected) = schema.get("const") {
            return (expected == value).then_some(()).ok_or_else(|| format!("{value} is not {expected}"));
        }
        if let Some(names) = schema["enum"].as_array() {
            return names.contains(value).then_some(()).ok_or_else(|| format!("{value} is not in {names:?}"));
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(value, kind)) {
            return Err(format!("{value} is no {kinds:?}"));
        }
        for (bound, outside) in [("minimum", -1.0), ("maximum", 1.0)] {
            if let (Some(bound), Some(number)) = (schema[bound].as_f64(), value.as_f64())
                && (number - bound) * outside > 0.0
            {
                return Err(format!("{number} is past {bound}"));
            }
        }
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = value.get(field) {
                self.fits(of, value).map_err(|why| format!("{field}: {why}"))?;
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            if value.get(name).is_none() {
                return Err(format!("{name} is missing in {value}"));
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            values.iter().try_for_each(|value| self.fits(items, value))?;
        }
        if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            // Answers contain no field that the document does not list.
            if let Some(unknown) = fields.keys().find(|field| !known.contains_key(*field)) {
                return Err(format!("{unknown} is not in the document"));
            }
        }
        Ok(())
    }
}

fn several(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        _ => value.is_null(),
    }
}
