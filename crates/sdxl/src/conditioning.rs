//! Which encoded text a call of the UNet uses.

use crate::prompt::{Part, Plan};
use burn::tensor::Tensor;
use diffusion::Prompts;

/// One encoded prompt.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// The states of both encoders, concatenated: `[1, tokens, 2048]` in f32.
    pub prompt: Tensor<3>,
    /// The second encoder's pooled embedding: `[1, 1280]` in f32.
    pub pooled: Tensor<2>,
}

/// The encoded prompt and negative prompt.
#[derive(Clone, Debug)]
pub struct Conditioning {
    /// The prompt: the first text of its first part.
    pub positive: Embeddings,
    /// The negative prompt's first text, with the same number of tokens. `None` if guidance is off.
    pub negative: Option<Embeddings>,
    /// All texts, if a prompt has several parts or changes over the steps.
    pub(crate) changes: Option<Changes>,
}

/// The encoded texts of prompts with several parts, or that change over the steps.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    /// All have the same number of tokens.
    texts: Vec<Embeddings>,
    parts: Vec<Part>,
    /// Whether the parts are predicted separately and their differences to the negative prompt are added.
    composed: bool,
    negative: Option<Part>,
}

impl Conditioning {
    /// From the encoded texts of the prompt, followed by those of the negative prompt. There is at least one.
    pub(crate) fn new(texts: Vec<Embeddings>, positive: &Plan, negative: Option<&Plan>) -> Self {
        let negative_start = positive.texts.len();
        let first = texts[0].clone();
        let first_negative = negative.and_then(|_| texts.get(negative_start)).cloned();
        let is_plain = positive.is_single() && positive.texts.len() == 1 && texts.len() <= 2;
        let changes = (!is_plain).then(|| Changes {
            texts,
            parts: positive.parts.clone(),
            composed: !positive.is_single(),
            negative: negative.and_then(|negative| Some(negative.parts.first()?.shifted(negative_start))),
        });
        Self { positive: first, negative: first_negative, changes }
    }

    /// The weights of the prompt's parts, if they are predicted separately.
    pub(crate) fn part_weights(&self) -> Option<Vec<f64>> {
        let changes = self.changes.as_ref().filter(|changes| changes.composed)?;
        Some(changes.parts.iter().map(|part| part.weight).collect())
    }

    /// The number of different calls that one evaluation makes at most.
    pub(crate) fn calls(&self) -> usize {
        2.max(self.part_weights().map_or(0, |weights| weights.len() + 1))
    }

    /// The texts of a call's batch entries in an evaluation of the model, counted from 0, as arguments of
    /// [`Conditioning::text`].
    pub(crate) fn texts(&self, prompts: Prompts, evaluation: usize) -> Vec<usize> {
        let positive = |part: usize| match &self.changes {
            Some(changes) => changes.parts.get(part).map_or(0, |part| part.text(evaluation)),
            None => 0,
        };
        let negative = match &self.changes {
            Some(Changes { negative: Some(negative), .. }) => negative.text(evaluation),
            // Without a negative prompt guidance is off, and only the positive one is requested.
            Some(_) => 0,
            None => 1,
        };
        match prompts {
            Prompts::Positive => vec![positive(0)],
            Prompts::Part(part) => vec![positive(part)],
            Prompts::Negative => vec![negative],
            Prompts::NegativeThenPositive => vec![negative, positive(0)],
        }
    }

    /// The encoded text of this number.
    pub(crate) fn text(&self, number: usize) -> &Embeddings {
        match (&self.changes, number) {
            (Some(changes), _) => changes.texts.get(number).unwrap_or(&self.positive),
            (None, 0) => &self.positive,
            (None, _) => self.negative.as_ref().unwrap_or(&self.positive),
        }
    }
}
