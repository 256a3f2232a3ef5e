//! Builds one operation of the document.

use schemars::{
    JsonSchema,
    generate::{SchemaGenerator, SchemaSettings},
};
use serde_json::{Map, Value, json};

/// A header's name, description and schema.
type Header = (&'static str, &'static str, fn() -> Value);

/// The parts of an operation's documentation that the handler's types do not give.
#[derive(Debug)]
pub struct About {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) status: u16,
    pub(super) fails: &'static [u16],
    pub(super) also: &'static [(u16, &'static str)],
    pub(super) answers: &'static [&'static str],
    pub(super) header: Option<Header>,
}

impl About {
    /// The tag, which is the resource, and the summary.
    pub fn new(tag: &'static str, summary: &'static str) -> Self {
        Self { tag, summary, status: 200, fails: &[], also: &[], answers: &[], header: None }
    }

    /// Sets the status of success; 200 by default.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Adds error statuses beyond those that follow from the input types.
    pub fn fails(self, fails: &'static [u16]) -> Self {
        Self { fails, ..self }
    }

    /// Adds further statuses that are not errors.
    pub fn also(self, also: &'static [(u16, &'static str)]) -> Self {
        Self { also, ..self }
    }

    /// Sets the media types of the response, where the handler's type does not give them.
    pub fn answers(self, media_types: &'static [&'static str]) -> Self {
        Self { answers: media_types, ..self }
    }

    /// Adds a request header, its description and its schema.
    pub fn header(self, name: &'static str, what: &'static str, schema: fn() -> Value) -> Self {
        Self { header: Some((name, what, schema)), ..self }
    }
}

/// Schemas of requests and of responses. They differ: a field with a default is optional in a request and always present in a
/// response.
#[derive(Debug)]
pub struct Schemas {
    pub(super) input: SchemaGenerator,
    pub(super) output: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings =
            || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
        Self {
            input: settings().for_deserialize().into_generator(),
            output: settings().for_serialize().into_generator(),
        }
    }
}

/// An operation under construction, to which the handler's types add their parts.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) path: &'static str,
    pub(super) schemas: &'a mut Schemas,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answer: Option<Value>,
    pub(super) fails: Vec<u16>,
    /// Whether the response is a paginated list.
    pub(super) is_list: bool,
}

impl Draft<'_> {
    /// Adds the path parameter, named as in the path.
    pub(super) fn path_parameter<T: JsonSchema>(&mut self, what: &str) {
        let earlier = self.parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        let name = self.path.split('{').nth(1 + earlier).and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let schema = self.schemas.input.subschema_for::<T>();
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": what, "schema": schema,
        }));
        self.fails.push(404);
    }

    /// Adds an optional query parameter for each field.
    pub(super) fn query_parameters<T: JsonSchema>(&mut self) {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
        let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, field) in fields {
            let mut parameter = json!({"name": name, "in": "query", "required": false});
            if let Some(description) = field.get("description") {
                parameter["description"] = description.clone();
            }
            // A query has no null; an optional parameter is left out.
            let mut field = field;
            if let Some(kinds) = field.get_mut("type").and_then(Value::as_array_mut) {
                kinds.retain(|kind| kind != "null");
            }
            parameter["schema"] = field;
            self.parameters.push(parameter);
        }
        self.fails.push(400);
    }

    /// Sets a JSON request body.
    pub(super) fn json_body<T: JsonSchema>(&mut self) {
        let schema = self.schemas.input.subschema_for::<T>();
        self.body = Some(json!({"required": true, "content": {"application/json": {"schema": schema}}}));
        self.fails.extend([400, 413, 422]);
    }

    /// Sets a JSON response.
    pub(super) fn json_answer<T: JsonSchema>(&mut self) {
        let schema = self.schemas.output.subschema_for::<T>();
        self.answer = Some(json!({"application/json": {"schema": schema}}));
    }

    /// The finished operation.
    pub(super) fn finish(self, id: String, about: &About) -> Map<String, Value> {
        let mut success = json!({"description": "Success."});
        let content = |media_type: &&'static str| {
            let is_text = media_type.starts_with("text/");
            ((*media_type).to_owned(), if is_text { json!({"schema": {"type": "string"}}) } else { json!({}) })
        };
        match (self.answer, about.answers) {
            (Some(content), []) => success["content"] = content,
            (None, []) => {}
            (_, media_types) => success["content"] = media_types.iter().map(content).collect::<Map<_, _>>().into(),
        }
        if self.is_list {
            success["headers"] = json!({"Link": {
                "description": "The address of the next page with rel=\"next\" (RFC 8288). Absent on the last page.",
                "schema": {"type": "string"},
            }});
        }
        let mut responses = Map::new();
        responses.insert(about.status.to_string(), success);
        // Any request can fail for a missing session, too many wrong tokens, a foreign origin, a busy database or a full disk.
        for status in self.fails.iter().chain(about.fails).chain(&[401, 403, 429, 503, 507]) {
            responses.insert(status.to_string(), json!({"$ref": "#/components/responses/Problem"}));
        }
        for (status, what) in about.also {
            responses.insert(status.to_string(), json!({"description": what}));
        }
        let mut parameters = self.parameters;
        if let Some((name, what, schema)) = about.header {
            parameters.push(json!({
                "name": name, "in": "header", "required": false, "description": what, "schema": schema(),
            }));
        }
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), id.into());
        operation.insert("tags".to_owned(), json!([about.tag]));
        operation.insert("summary".to_owned(), about.summary.into());
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = self.body {
            operation.insert("requestBody".to_owned(), body);
        }
        operation.insert("responses".to_owned(), responses.into());
        operation
    }
}
