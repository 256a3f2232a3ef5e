//! From prompts to conditioning: two tokenizers, two encoders.

use crate::{
    Compute, Error, LoadError, Precision, TextEncoder,
    host::HostTensor,
    plan_source::load_part,
    prompt::{PromptSyntax, parse},
    tokenizer::{Chunk, Padding, Tokenizer},
};
use burn::tensor::{DType, Tensor, TensorData};
use checkpoint::{Checkpoint, Part, TextEncoderConfig};

/// SDXL's two text encoders with their tokenizers.
#[derive(Debug)]
pub struct TextEncoders {
    first: Encoder,
    second: Encoder,
    force_zeros_for_empty_prompt: bool,
    compute: Compute,
}

#[derive(Debug)]
struct Encoder {
    tokenizer: Tokenizer,
    model: TextEncoder,
}

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
    /// The prompt.
    pub positive: Embeddings,
    /// The negative prompt, with the same number of tokens. `None` if guidance is off.
    pub negative: Option<Embeddings>,
}

impl TextEncoders {
    /// Loads both encoders. `progress(part, done, total)` counts tensors.
    ///
    /// # Errors
    /// Weights or tokenizer files that do not match.
    pub fn load(
        checkpoint: &Checkpoint,
        compute: &Compute,
        precision: Precision,
        progress: &mut dyn FnMut(Part, usize, usize),
    ) -> Result<Self, Error> {
        let mut encoder = |part, padding| -> Result<Encoder, Error> {
            let config = checkpoint.text_encoder(part).map_err(LoadError::from)?;
            let TextEncoderConfig { vocab_size, max_position_embeddings: length, .. } = *config;
            let tokenizer = Tokenizer::load(&checkpoint.tokenizer(part), padding, vocab_size, length)?;
            let config = with_end_of(&tokenizer, config, part)?;
            let mut progress = |done, total| progress(part, done, total);
            let dtype = precision.dtype();
            let model =
                load_part(checkpoint, part, &compute.device, dtype, &mut progress, |w| TextEncoder::load(w, &config))?;
            Ok(Encoder { tokenizer, model })
        };
        Ok(Self {
            first: encoder(Part::TextEncoder, Padding::End)?,
            second: encoder(Part::TextEncoder2, Padding::Bang)?,
            force_zeros_for_empty_prompt: checkpoint.force_zeros_for_empty_prompt(),
            compute: compute.clone(),
        })
    }

    /// Encodes a prompt and, if given, a negative prompt. The shorter one is padded with empty chunks. An empty
    /// negative prompt gives zeros if the checkpoint requires it; an empty prompt is always encoded.
    ///
    /// # Errors
    /// Tokens outside the vocabulary, a device failure, or numbers that are not finite.
    pub fn encode(&self, prompt: &str, negative: Option<&str>, syntax: PromptSyntax) -> Result<Conditioning, Error> {
        let zeros = self.force_zeros_for_empty_prompt && negative.is_some_and(str::is_empty);
        let mut chunks = [
            self.chunks(prompt, syntax)?,
            match negative {
                Some(text) if !zeros => self.chunks(text, syntax)?,
                _ => Default::default(),
            },
        ];
        let longest = chunks.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let [positive, negative_chunks] = &mut chunks;
        let positive = self.embeddings(positive, longest)?;
        let negative = match negative {
            None => None,
            Some(_) if zeros => {
                Some(Embeddings { prompt: positive.prompt.zeros_like(), pooled: positive.pooled.zeros_like() })
            }
            Some(_) => Some(self.embeddings(negative_chunks, longest)?),
        };
        self.compute.sync("encoding the prompt")?;
        if !HostTensor::read(positive.pooled.clone(), "encoding the prompt")?.is_finite() {
            return Err(Error::NotFinite { stage: "text encoder" });
        }
        Ok(Conditioning { positive, negative })
    }

    /// The chunks for each encoder; their numbers may differ.
    fn chunks(&self, text: &str, syntax: PromptSyntax) -> Result<[Vec<Chunk>; 2], Error> {
        let segments = parse(text, syntax);
        Ok([self.first.tokenizer.chunks(&segments)?, self.second.tokenizer.chunks(&segments)?])
    }

    fn embeddings(&self, chunks: &mut [Vec<Chunk>; 2], count: usize) -> Result<Embeddings, Error> {
        let [first, second] = chunks;
        let (first, _) = self.first.encode(first, count)?;
        let (second, pooled) = self.second.encode(second, count)?;
        let pooled = pooled.ok_or_else(|| LoadError::Config {
            part: Part::TextEncoder2.folder(),
            message: "it has no projection, whose output SDXL's UNet needs".to_owned(),
        })?;
        Ok(Embeddings { prompt: Tensor::cat(vec![first, second], 2), pooled })
    }
}

/// The configuration with the end token that the tokenizer uses. An `eos_token_id` in config.json that differs is an
/// error: it would pool at a token that no text contains.
fn with_end_of(tokenizer: &Tokenizer, config: &TextEncoderConfig, part: Part) -> Result<TextEncoderConfig, LoadError> {
    let (end, given) = (tokenizer.end(), config.eos_token_id);
    if config.projection_dim.is_some() && config.eos_token_is_given && given != end {
        let message = format!("eos_token_id is {given}, but its tokenizer ends a text with token {end}");
        return Err(LoadError::Config { part: part.folder(), message });
    }
    Ok(TextEncoderConfig { eos_token_id: end, ..config.clone() })
}

impl Encoder {
    /// Encodes `count` chunks (at least one). Returns their states concatenated, `[1, count * length, width]`, and the
    /// first chunk's pooled embedding.
    fn encode(&self, chunks: &mut Vec<Chunk>, count: usize) -> Result<(Tensor<3>, Option<Tensor<2>>), Error> {
        chunks.resize(count.max(1), self.tokenizer.empty_chunk());
        let (mut states, mut pooled) = (Vec::with_capacity(chunks.len()), None);
        // One chunk at a time: a batch would need memory for all chunks of a long prompt at once.
        for (place, chunk) in chunks.iter().enumerate() {
            let encoding = self.model.forward(std::slice::from_ref(&chunk.ids))?;
            states.push(weighted(encoding.hidden.cast(DType::F32), &chunk.weights));
            if place == 0 {
                pooled = encoding.pooled.map(|pooled| pooled.cast(DType::F32));
            }
        }
        Ok((Tensor::cat(states, 1), pooled))
    }
}

/// Multiplies each token's state by its weight, then scales the chunk so that its mean stays the same (AUTOMATIC1111's
/// "original" emphasis).
///
/// # Shapes
/// `[1, n, width]`, `n` weights
fn weighted(states: Tensor<3>, weights: &[f32]) -> Tensor<3> {
    if weights.iter().all(|&w| w == 1.0) {
        return states;
    }
    let n = weights.len();
    let factors = TensorData::new(weights.to_vec(), [1, n, 1]);
    let factors = Tensor::<3>::from_data(factors, (&states.device(), DType::F32));
    let mean = states.clone().mean();
    let states = states * factors;
    let changed = states.clone().mean();
    // A mean of exactly 0 cannot be restored; the states are not scaled then.
    let restore = (mean / changed.clone()).mask_fill(changed.equal_elem(0.0), 1.0);
    states * restore.reshape([1, 1, 1])
}
