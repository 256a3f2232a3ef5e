//! From prompts to conditioning: two tokenizers, two encoders.

use crate::{
    Compute, Error, Layers, LoadError, Loader, Precision, TextEncoder, Weights,
    conditioning::{Conditioning, Embeddings},
    host::HostTensor,
    lora::{SetPlan, adapt, estimated_bytes},
    plan_source::load_part,
    prompt::{Plan, PromptSyntax, parse},
    tokenizer::{Chunk, Named, Padding, Tokenizer, VOCABULARY},
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use checkpoint::{Checkpoint, EmbeddingFile, Part, TextEncoderConfig, TokenizerFiles};
use generation::FieldError;
use std::sync::Arc;

/// SDXL's two text encoders with their tokenizers.
#[derive(Debug)]
pub struct TextEncoders {
    first: Encoder,
    second: Encoder,
    force_zeros_for_empty_prompt: bool,
    compute: Compute,
}

#[derive(Clone, Debug)]
struct Encoder {
    tokenizer: Arc<Tokenizer>,
    model: TextEncoder,
    /// The layers of `model`, by name.
    layers: Layers,
}

/// The vectors that replace a name in prompts (textual inversion, Gal et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inversion<'a> {
    /// The name.
    pub name: &'a str,
    /// For each encoder, row-major `[len, width]`.
    pub vectors: [&'a [f32]; 2],
    /// The number of vectors for each encoder.
    pub len: usize,
}

impl<'a> From<&'a EmbeddingFile> for Inversion<'a> {
    fn from(file: &'a EmbeddingFile) -> Self {
        let vectors = [Part::TextEncoder, Part::TextEncoder2].map(|part| file.vectors(part));
        Self { name: file.name(), vectors, len: file.len() }
    }
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
        let mut encoder = |part| -> Result<Encoder, Error> {
            let (tokenizer, config) = tokenizer(checkpoint, part)?;
            let mut progress = |done, total| progress(part, done, total);
            let dtype = precision.dtype();
            let load = |w: Weights| TextEncoder::load(w, &config);
            let (model, layers) = load_part(checkpoint, part, &compute.device, dtype, &mut progress, load)?;
            Ok(Encoder { tokenizer: Arc::new(tokenizer), model, layers })
        };
        Ok(Self {
            first: encoder(Part::TextEncoder)?,
            second: encoder(Part::TextEncoder2)?,
            force_zeros_for_empty_prompt: checkpoint.force_zeros_for_empty_prompt(),
            compute: compute.clone(),
        })
    }

    /// Checks the tokenizers without loading the encoders.
    ///
    /// # Errors
    /// Tokenizer files that cannot be read or do not match the encoders.
    pub(crate) fn check(checkpoint: &Checkpoint) -> Result<(), Error> {
        for part in [Part::TextEncoder, Part::TextEncoder2] {
            let config = checkpoint.text_encoder(part).map_err(LoadError::from)?;
            // CLIP's own tokenizer fits every encoder with its vocabulary, and a folder of models may have hundreds.
            let is_clip = checkpoint.tokenizer(part) == TokenizerFiles::BuiltIn && !config.eos_token_is_given;
            if !is_clip || config.vocab_size < VOCABULARY {
                tokenizer(checkpoint, part)?;
            }
        }
        Ok(())
    }

    /// The encoders with the changes of LoRA files, and the memory in bytes that they take in addition. Without changes,
    /// these encoders themselves.
    pub(crate) fn adapted(
        self: &Arc<Self>,
        plan: &SetPlan<'_>,
        precision: Precision,
    ) -> Result<(Option<Arc<Self>>, u64), Error> {
        let device = &self.compute.device;
        let adapted = |encoder: &Encoder, part| encoder.adapted(plan, part, device, precision.dtype());
        let (first, first_bytes) = adapted(&self.first, Part::TextEncoder)?;
        let (second, second_bytes) = adapted(&self.second, Part::TextEncoder2)?;
        if first_bytes + second_bytes == 0 {
            return Ok((Some(self.clone()), 0));
        }
        let Self { force_zeros_for_empty_prompt, ref compute, .. } = **self;
        let encoders = Self { first, second, force_zeros_for_empty_prompt, compute: compute.clone() };
        Ok((Some(Arc::new(encoders)), first_bytes + second_bytes))
    }

    /// An estimate of the memory in bytes of [`TextEncoders::adapted`].
    pub(crate) fn adapted_bytes(&self, plan: &SetPlan<'_>) -> u64 {
        let of = |encoder: &Encoder, part| estimated_bytes(&encoder.layers, &plan.changes(part));
        of(&self.first, Part::TextEncoder) + of(&self.second, Part::TextEncoder2)
    }

    /// Encodes a prompt and, if given, a negative prompt, each as one text: emphasis and `BREAK` are read, nothing
    /// else. The shorter one is padded with empty chunks. An empty negative prompt gives zeros if the checkpoint
    /// requires it; an empty prompt is always encoded.
    ///
    /// # Errors
    /// Tokens outside the vocabulary, a device failure, or numbers that are not finite.
    pub fn encode(&self, prompt: &str, negative: Option<&str>, syntax: PromptSyntax) -> Result<Conditioning, Error> {
        self.encode_plans(&Plan::of_text(prompt), negative.map(Plan::of_text).as_ref(), syntax, &[])
    }

    /// As [`TextEncoders::encode`], for prompts with several parts and texts. Each text is encoded once; all are padded
    /// to the longest. The names of `embeddings` in the texts stand for their vectors.
    ///
    /// # Errors
    /// The same as [`TextEncoders::encode`], or vectors of another width than the encoders'.
    pub fn encode_plans(
        &self,
        positive: &Plan,
        negative: Option<&Plan>,
        syntax: PromptSyntax,
        embeddings: &[Inversion<'_>],
    ) -> Result<Conditioning, Error> {
        self.check_widths(embeddings)?;
        let zeros = self.force_zeros_for_empty_prompt && negative.is_some_and(|negative| negative.texts == [""]);
        let negative_texts = negative.filter(|_| !zeros).map_or(&[][..], |negative| &negative.texts[..]);
        let texts = positive.texts.iter().chain(negative_texts);
        let mut chunks = texts.map(|text| self.chunks(text, syntax, embeddings)).collect::<Result<Vec<_>, _>>()?;
        let longest = chunks.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let mut texts = Vec::with_capacity(chunks.len() + 1);
        for chunks in &mut chunks {
            texts.push(self.embeddings(chunks, longest, embeddings)?);
        }
        self.compute.sync("encoding the prompt")?;
        for text in &texts[..positive.texts.len()] {
            if !HostTensor::read(text.pooled.clone(), "encoding the prompt")?.is_finite() {
                return Err(Error::NotFinite { stage: "text encoder" });
            }
        }
        if zeros {
            let Embeddings { prompt, pooled } = &texts[0];
            texts.push(Embeddings { prompt: prompt.zeros_like(), pooled: pooled.zeros_like() });
        }
        Ok(Conditioning::new(texts, positive, negative))
    }

    /// The chunks for each encoder; their numbers may differ.
    fn chunks(&self, text: &str, syntax: PromptSyntax, embeddings: &[Inversion<'_>]) -> Result<[Vec<Chunk>; 2], Error> {
        let segments = parse(text, syntax);
        let named: Vec<_> = embeddings.iter().map(|of| Named { name: of.name, vectors: of.len }).collect();
        let [first, second] = [&self.first, &self.second].map(|of| of.tokenizer.chunks_with(&segments, &named));
        Ok([first?, second?])
    }

    fn embeddings(
        &self,
        chunks: &mut [Vec<Chunk>; 2],
        count: usize,
        embeddings: &[Inversion<'_>],
    ) -> Result<Embeddings, Error> {
        let [first, second] = chunks;
        let vectors = |part: usize| embeddings.iter().map(|of| of.vectors[part]).collect::<Vec<_>>();
        let (first, _) = self.first.encode(first, count, &vectors(0))?;
        let (second, pooled) = self.second.encode(second, count, &vectors(1))?;
        let pooled = pooled.ok_or_else(|| LoadError::Config {
            part: Part::TextEncoder2.folder(),
            message: "it has no projection, whose output SDXL's UNet needs".to_owned(),
        })?;
        Ok(Embeddings { prompt: Tensor::cat(vec![first, second], 2), pooled })
    }
}

impl TextEncoders {
    fn check_widths(&self, embeddings: &[Inversion<'_>]) -> Result<(), Error> {
        for &Inversion { name, vectors, len } in embeddings {
            for (vectors, encoder) in vectors.into_iter().zip([&self.first, &self.second]) {
                let width = encoder.model.config().hidden_size;
                if vectors.len() != len * width {
                    let found = vectors.len() / len.max(1);
                    let message =
                        format!("the embedding {name} has vectors of {found} values, the model's have {width}");
                    return Err(Error::Params(vec![FieldError { field: "prompt", message }]));
                }
            }
        }
        Ok(())
    }
}

/// The tokenizer of a text encoder, and the encoder's configuration with its end token.
fn tokenizer(checkpoint: &Checkpoint, part: Part) -> Result<(Tokenizer, TextEncoderConfig), Error> {
    let config = checkpoint.text_encoder(part).map_err(LoadError::from)?;
    let TextEncoderConfig { vocab_size, max_position_embeddings: length, .. } = *config;
    let padding = if part == Part::TextEncoder2 { Padding::Bang } else { Padding::End };
    let tokenizer = Tokenizer::load(&checkpoint.tokenizer(part), padding, vocab_size, length)?;
    let config = with_end_of(&tokenizer, config, part)?;
    Ok((tokenizer, config))
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
    fn adapted(&self, plan: &SetPlan<'_>, part: Part, device: &Device, dtype: DType) -> Result<(Self, u64), Error> {
        let changes = plan.changes(part);
        if changes.is_empty() {
            return Ok((self.clone(), 0));
        }
        let adapted = adapt(&self.layers, &changes, device)?;
        let mut layers = self.layers.clone();
        layers.extend(adapted.layers);
        let model =
            TextEncoder::load(Loader::of_layers(part.folder(), &layers, device, dtype).root(), self.model.config())?;
        // The base's layers: a set is never made from another set.
        Ok((Self { tokenizer: self.tokenizer.clone(), model, layers: self.layers.clone() }, adapted.bytes))
    }

    /// Encodes `count` chunks (at least one), with `vectors` at their places. Returns their states concatenated,
    /// `[1, count * length, width]`, and the first chunk's pooled embedding.
    fn encode(
        &self,
        chunks: &mut Vec<Chunk>,
        count: usize,
        vectors: &[&[f32]],
    ) -> Result<(Tensor<3>, Option<Tensor<2>>), Error> {
        chunks.resize(count.max(1), self.tokenizer.empty_chunk());
        let (mut states, mut pooled) = (Vec::with_capacity(chunks.len()), None);
        // One chunk at a time: a batch would need memory for all chunks of a long prompt at once.
        for (place, chunk) in chunks.iter().enumerate() {
            let replaced: Vec<_> = chunk.places.iter().map(|place| (0, place.at, vectors[place.named])).collect();
            let encoding = self.model.forward_with(std::slice::from_ref(&chunk.ids), &replaced)?;
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
