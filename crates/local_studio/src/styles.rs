//! Styles, and their use in generations.

use crate::{LocalStudio, problem::problem};
use generation::nearest;
use prompt::styles;
use protocol::{
    Event, FieldError, NewGeneration, NewStyle, Problem, Style, StyleId, StylePatch, StylesUpdated,
    style::{IMPORTED_STYLES, STYLES},
};

impl LocalStudio {
    pub(crate) async fn list_styles(&self) -> Result<Vec<Style>, Problem> {
        self.store.list_styles().await.map_err(problem)
    }

    pub(crate) async fn create_style(&self, new: NewStyle) -> Result<Style, Problem> {
        let style = self.store.create_style(new.validated()?).await.map_err(problem)?;
        self.publish_styles().await;
        Ok(style)
    }

    pub(crate) async fn update_style(&self, id: StyleId, patch: StylePatch) -> Result<Style, Problem> {
        let style = self.store.update_style(id, patch.validated()?).await.map_err(problem)?;
        self.publish_styles().await;
        Ok(style)
    }

    pub(crate) async fn delete_style(&self, id: StyleId) -> Result<Style, Problem> {
        let style = self.store.delete_style(id).await.map_err(problem)?;
        self.publish_styles().await;
        Ok(style)
    }

    pub(crate) async fn restore_style(&self, id: StyleId) -> Result<Style, Problem> {
        let style = self.store.restore_style(id).await.map_err(problem)?;
        self.publish_styles().await;
        Ok(style)
    }

    /// Imports all styles of the file, or none.
    pub(crate) async fn import_styles(&self, csv: &str) -> Result<Vec<Style>, Problem> {
        let rows = styles::read_csv(csv).map_err(|message| Problem::invalid("csv", message))?;
        if rows.len() > IMPORTED_STYLES {
            let message = format!("must have at most {IMPORTED_STYLES} styles, not {}", rows.len());
            return Err(Problem::invalid("csv", message));
        }
        let mut new: Vec<NewStyle> = Vec::with_capacity(rows.len());
        for styles::Row { line, name, prompt, negative_prompt } in rows {
            let style = NewStyle { name, prompt, negative_prompt }.validated().map_err(|problem| {
                let at_line = |error: &FieldError| {
                    FieldError::new(
                        "csv",
                        format!("has a style in line {line} whose {} {}", error.field, error.message),
                    )
                };
                Problem::Invalid(problem.field_errors().iter().map(at_line).collect())
            })?;
            // As in A1111, the last style of a name counts.
            match new.iter_mut().find(|known| known.name == style.name) {
                Some(known) => *known = style,
                None => new.push(style),
            }
        }
        let styles = self.store.import_styles(new).await.map_err(problem)?;
        self.publish_styles().await;
        Ok(styles)
    }

    /// Publishes that the styles have changed. A database error is logged and nothing is published.
    async fn publish_styles(&self) {
        if let Ok(styles) = self.list_styles().await {
            self.publish(Event::StylesUpdated(StylesUpdated { styles: styles.len() as u64 }));
        }
    }

    /// The request with its styles applied to its prompts, in order. Their names stay in it, to be recorded.
    pub(crate) async fn styled(&self, mut new: NewGeneration) -> Result<NewGeneration, Problem> {
        let names = new.styles.clone();
        if names.is_empty() {
            return Ok(new);
        }
        if names.len() > STYLES {
            return Err(Problem::invalid("styles", format!("must be at most {STYLES} styles, not {}", names.len())));
        }
        let known = self.list_styles().await?;
        let mut negative_prompt = new.negative_prompt.take().unwrap_or_default();
        for name in &names {
            let Some(style) = known.iter().find(|style| style.name == *name) else {
                let near = nearest(name, known.iter().map(|style| style.name.as_str()));
                let near = near.map(|near| format!("; the nearest is \"{near}\"")).unwrap_or_default();
                return Err(Problem::invalid(
                    "styles",
                    format!("names an unknown style, \"{}\"{near}", shortened(name)),
                ));
            };
            new.prompt = styles::apply(&style.prompt, &new.prompt);
            negative_prompt = styles::apply(&style.negative_prompt, &negative_prompt);
        }
        Ok(NewGeneration { negative_prompt: Some(negative_prompt), ..new })
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(60).collect()
}
