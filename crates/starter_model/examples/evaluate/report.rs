//! The report and its figures.

use crate::suite::{Asked, Split, Suite};
use generation::Recommended;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

/// A prompt's content and what was recognised.
#[derive(Clone, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub asked: Asked,
    #[serde(rename = "background_seen")]
    pub background: String,
    #[serde(rename = "object_seen")]
    pub object: String,
    #[serde(rename = "shape_seen")]
    pub shape: String,
    #[serde(rename = "colour_seen")]
    pub colour: Option<String>,
}

/// Shares of pictures, 0 to 1.
#[derive(Serialize)]
pub struct Figures {
    pub pictures: usize,
    pub background: f64,
    pub object: f64,
    /// According to the classifier that sees no colours.
    pub object_by_shape: f64,
    /// For the recoloured objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<f64>,
    /// Both background and object.
    pub both: f64,
}

#[derive(Serialize)]
pub struct Report {
    settings: &'static Recommended,
    device: String,
    seconds: f64,
    splits: BTreeMap<Split, Figures>,
    /// The same pictures compared with other prompts of the suite: the agreement by chance.
    wrong_prompts: Figures,
    judges_on_artwork: BTreeMap<String, f64>,
    /// Every picture for which a classifier disagrees with the prompt.
    misses: Vec<Row>,
}

impl Report {
    pub fn new(rows: &[Row], suite: &Suite, seconds: f64, device: String) -> Self {
        let of = |split| rows.iter().filter(|row| row.asked.split == split).map(|row| (row, &row.asked)).collect();
        let splits = [Split::Trained, Split::HeldOut, Split::Recolour];
        let wrong = rows.iter().zip(rows.iter().cycle().skip(7)).map(|(row, other)| (row, &other.asked));
        Self {
            settings: &starter_model::card().recommended,
            device,
            seconds: (seconds * 10.0).round() / 10.0,
            splits: splits.into_iter().map(|split| (split, Figures::of(of(split)))).collect(),
            wrong_prompts: Figures::of(wrong.collect()),
            judges_on_artwork: suite.judges_on_artwork.clone(),
            misses: rows.iter().filter(|row| !row.is_right()).cloned().collect(),
        }
    }
}

impl Row {
    fn is_right(&self) -> bool {
        let Asked { background, object, colour, .. } = &self.asked;
        let seen = &self.object == object && &self.shape == object && &self.background == background;
        seen && (colour.is_none() || colour == &self.colour)
    }
}

impl Figures {
    /// Computes figures for pictures, each with the prompt to compare it with.
    fn of(rows: Vec<(&Row, &Asked)>) -> Self {
        let share = |right: &dyn Fn(&Row, &Asked) -> bool| {
            let count = rows.iter().filter(|(row, asked)| right(row, asked)).count();
            (count as f64 / rows.len().max(1) as f64 * 1000.0).round() / 1000.0
        };
        let coloured = rows.iter().all(|(_, asked)| asked.colour.is_some());
        Self {
            pictures: rows.len(),
            background: share(&|row, asked| row.background == asked.background),
            object: share(&|row, asked| row.object == asked.object),
            object_by_shape: share(&|row, asked| row.shape == asked.object),
            colour: coloured.then(|| share(&|row, asked| row.colour == asked.colour)),
            both: share(&|row, asked| row.background == asked.background && row.object == asked.object),
        }
    }
}

impl Display for Report {
    /// A Markdown table, as in the model card.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | pictures | background | object | object by shape alone | object's colour |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let names = ["trained pairs", "held-out pairs", "recoloured", "held against wrong prompts"];
        for (name, figures) in names.iter().zip(self.splits.values().chain([&self.wrong_prompts])) {
            let Figures { pictures, background, object, object_by_shape, colour, .. } = figures;
            let percent = |share: f64| format!("{:.1} %", share * 100.0);
            let colour = colour.map_or_else(|| "-".to_owned(), percent);
            let [background, object, shape] = [background, object, object_by_shape].map(|share| percent(*share));
            writeln!(f, "| {name} | {pictures} | {background} | {object} | {shape} | {colour} |")?;
        }
        for Row { asked, background, object, shape, colour } in &self.misses {
            let Asked { prompt, seed, .. } = asked;
            write!(f, "miss: {prompt} (seed {seed}): {object}, by shape {shape}, on {background}")?;
            match (&asked.colour, colour) {
                (None, _) => writeln!(f)?,
                (Some(_), seen) => writeln!(f, ", {}", seen.as_deref().unwrap_or("of no colour"))?,
            }
        }
        write!(f, "{} s on {}", self.seconds, self.device)
    }
}
