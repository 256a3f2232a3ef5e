//! Recognises a network by its tensors' names, checks all shapes, and gives the tensors their common names.

use super::{MAX_BLOCKS, MAX_CHANNELS, MAX_SCALE, UpscalerSpec};
use crate::upscaler_error::UpscalerError;
use std::collections::BTreeMap;

type Shapes = BTreeMap<String, Vec<usize>>;

/// Prefixes that all of a file's names may have: of PyTorch's parallel wrapper, of a GAN's generator, and of dictionaries
/// that were flattened when a file was converted. `params_ema` holds the averaged weights and is preferred.
const PREFIXES: [&str; 5] = ["params_ema.", "params.", "state_dict.", "module.", "netG."];

/// Networks that are recognised and not computed, by a name that only they have.
const OTHERS: [(&str, &str); 6] = [
    ("layers.0.residual_group.blocks.0.norm1.weight", "a SwinIR, HAT or related network"),
    ("layers.0.blocks.0.norm1.weight", "a DAT network"),
    ("conv_after_body.weight", "a network with attention windows"),
    ("model.1.sub.0.RDB1.conv1x1.weight", "ESRGAN+"),
    ("block_1.c1_r.weight", "SPANPlus"),
    ("m_head.weight", "SCUNet"),
];

/// A recognised network.
pub(super) struct Named {
    pub spec: UpscalerSpec,
    /// Common name to the file's name and the shape.
    pub tensors: BTreeMap<String, (String, Vec<usize>)>,
}

/// Takes tensors of a file by their names, each with the shape that it must have.
struct Taken<'s> {
    shapes: &'s Shapes,
    prefix: &'s str,
    tensors: BTreeMap<String, (String, Vec<usize>)>,
}

impl Named {
    pub(super) fn of(shapes: Shapes) -> Result<Self, UpscalerError> {
        let prefix = prefix(&shapes);
        let has = |name: &str| shapes.contains_key(&format!("{prefix}{name}"));
        let taken = Taken { shapes: &shapes, prefix: &prefix, tensors: BTreeMap::new() };
        if let Some((_, network)) = OTHERS.iter().find(|(mark, _)| has(mark)) {
            return Err(UpscalerError::Network { network });
        }
        if has("model.1.sub.0.RDB1.conv1.0.weight") {
            return taken.old_esrgan();
        }
        if has("body.0.rdb1.conv1.weight") || has("RRDB_trunk.0.RDB1.conv1.weight") {
            return taken.esrgan();
        }
        if has("conv_1.eval_conv.weight") && has("block_1.c1_r.eval_conv.weight") {
            return taken.span();
        }
        if has("body.0.weight") && has("body.1.weight") {
            return taken.compact();
        }
        let found = shapes.into_keys().next().unwrap_or_else(|| "no tensor".to_owned());
        Err(UpscalerError::Unknown { found })
    }
}

/// The prefixes before all names. Where a file has averaged and last weights, that of the averaged ones.
fn prefix(shapes: &Shapes) -> String {
    let mut prefix = String::new();
    for _ in 0..2 {
        let is_common = |of: &&&str| {
            let longer = format!("{prefix}{of}");
            let mut names = shapes.keys().filter(|name| name.starts_with(&prefix));
            **of == "params_ema." && shapes.keys().any(|name| name.starts_with(&longer))
                || names.all(|name| name.starts_with(&longer))
        };
        match PREFIXES.iter().find(is_common) {
            Some(of) => prefix.push_str(of),
            None => break,
        }
    }
    prefix
}

impl Taken<'_> {
    fn shape(&self, name: &str) -> Result<&[usize], UpscalerError> {
        let shape = self.shapes.get(&format!("{}{name}", self.prefix));
        shape.map(Vec::as_slice).ok_or_else(|| UpscalerError::Missing { name: name.to_owned() })
    }

    fn has(&self, name: &str) -> bool {
        self.shape(name).is_ok()
    }

    /// A convolution's weight, whose shape has four sides within the limits.
    fn conv(&self, name: &str) -> Result<[usize; 4], UpscalerError> {
        let shape = self.shape(name)?;
        let shape: [usize; 4] = shape.try_into().map_err(|_| UpscalerError::Shape {
            name: name.to_owned(),
            found: shape.to_vec(),
            expected: "a convolution's four sides".to_owned(),
        })?;
        let channels = shape[0].max(shape[1]);
        limit("a layer", channels, MAX_CHANNELS * MAX_SCALE)?;
        Ok(shape)
    }

    fn take(&mut self, common: &str, name: &str, expected: &[usize]) -> Result<(), UpscalerError> {
        let found = self.shape(name)?.to_vec();
        if found != expected {
            return Err(UpscalerError::Shape { name: name.to_owned(), found, expected: format!("{expected:?}") });
        }
        self.tensors.insert(common.to_owned(), (format!("{}{name}", self.prefix), found));
        Ok(())
    }

    /// Takes a convolution with a bias.
    fn take_conv(
        &mut self,
        common: &str,
        name: &str,
        [c_in, c_out]: [usize; 2],
        kernel: usize,
    ) -> Result<(), UpscalerError> {
        self.take(&format!("{common}.weight"), &format!("{name}.weight"), &[c_out, c_in, kernel, kernel])?;
        self.take(&format!("{common}.bias"), &format!("{name}.bias"), &[c_out])
    }

    fn finish(self, spec: UpscalerSpec) -> Named {
        Named { spec, tensors: self.tensors }
    }

    /// ESRGAN of 2018: one sequence, in which upsampling and activations count too.
    fn old_esrgan(self) -> Result<Named, UpscalerError> {
        let numbers = |of: &dyn Fn(&str) -> Option<&str>| {
            let names = self.shapes.keys().filter_map(|name| of(name.strip_prefix(self.prefix)?));
            let mut numbers: Vec<usize> = names.filter_map(|number| number.parse().ok()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let last = |numbers: &[usize]| numbers.last().copied().unwrap_or(0);
        let trunk = last(&numbers(&|name| name.strip_prefix("model.1.sub.")?.strip_suffix(".weight")));
        let outer = numbers(&|name| name.strip_prefix("model.")?.strip_suffix(".weight"));
        let end = last(&outer);
        limit("a trunk", trunk, MAX_BLOCKS)?;
        limit("a sequence", end, 4 + 3 * MAX_SCALE)?;
        let doublings = end.saturating_sub(4) / 3;
        let mut names = vec![
            ("conv_first".to_owned(), "model.0".to_owned()),
            ("conv_body".to_owned(), format!("model.1.sub.{trunk}")),
            ("conv_hr".to_owned(), format!("model.{}", end.saturating_sub(2))),
            ("conv_last".to_owned(), format!("model.{end}")),
        ];
        names.extend((1..=doublings).map(|up| (format!("conv_up{up}"), format!("model.{}", 3 * up))));
        self.rrdb(trunk, doublings, &names, |block, dense, conv| format!("model.1.sub.{block}.RDB{dense}.conv{conv}.0"))
    }

    /// Real-ESRGAN and BSRGAN: two doublings by name.
    fn esrgan(self) -> Result<Named, UpscalerError> {
        let is_new = self.has("body.0.rdb1.conv1.weight");
        let block_name = move |block: usize, dense: usize, conv: usize| match is_new {
            true => format!("body.{block}.rdb{dense}.conv{conv}"),
            false => format!("RRDB_trunk.{block}.RDB{dense}.conv{conv}"),
        };
        let blocks = (0..=MAX_BLOCKS).take_while(|&n| self.has(&format!("{}.weight", block_name(n, 1, 1)))).count();
        limit("a trunk", blocks, MAX_BLOCKS)?;
        let pick = |common: &str, other: &str| {
            let name = if self.has(&format!("{common}.weight")) { common } else { other };
            (common.to_owned(), name.to_owned())
        };
        let mut names = vec![
            pick("conv_first", "conv_first"),
            pick("conv_body", "trunk_conv"),
            pick("conv_hr", "HRconv"),
            pick("conv_last", "conv_last"),
        ];
        let ups = (1..=4).map(|up| pick(&format!("conv_up{up}"), &format!("upconv{up}")));
        let ups: Vec<_> = ups.take_while(|(_, name)| self.has(&format!("{name}.weight"))).collect();
        let doublings = ups.len();
        names.extend(ups);
        self.rrdb(blocks, doublings, &names, block_name)
    }

    /// RRDBNet with these names for the outer convolutions and for those of the dense blocks.
    fn rrdb(
        mut self,
        blocks: usize,
        doublings: usize,
        names: &[(String, String)],
        block_name: impl Fn(usize, usize, usize) -> String,
    ) -> Result<Named, UpscalerError> {
        let weight_of = |common: &str| {
            let name = names.iter().find(|(of, _)| of == common).map_or(common, |(_, name)| name);
            format!("{name}.weight")
        };
        let [features, c_in, ..] = self.conv(&weight_of("conv_first"))?;
        let [growth, ..] = self.conv(&format!("{}.weight", block_name(0, 1, 1)))?;
        let [c_out, ..] = self.conv(&weight_of("conv_last"))?;
        let unshuffle = match c_in {
            3 => 1,
            12 => 2,
            48 => 4,
            channels => return Err(UpscalerError::Channels { channels }),
        };
        three(c_out)?;
        limit("a layer", features.max(growth), MAX_CHANNELS)?;
        limit("a factor", 1 << doublings, MAX_SCALE)?;
        if (1 << doublings) < unshuffle {
            return Err(UpscalerError::Missing { name: "conv_up1.weight".to_owned() });
        }
        for (common, name) in names {
            let [from, to] = match common.as_str() {
                "conv_first" => [c_in, features],
                "conv_last" => [features, c_out],
                _ => [features, features],
            };
            self.take_conv(common, name, [from, to], 3)?;
        }
        for block in 0..blocks {
            for dense in 1..=3 {
                for conv in 1..=5 {
                    let to = if conv == 5 { features } else { growth };
                    let common = format!("body.{block}.rdb{dense}.conv{conv}");
                    let from = features + growth * (conv - 1);
                    self.take_conv(&common, &block_name(block, dense, conv), [from, to], 3)?;
                }
            }
        }
        Ok(self.finish(UpscalerSpec::Esrgan { features, growth, blocks, doublings, unshuffle }))
    }

    fn compact(mut self) -> Result<Named, UpscalerError> {
        let [features, c_in, ..] = self.conv("body.0.weight")?;
        let last = (0..=2 * MAX_BLOCKS + 2).take_while(|n| self.has(&format!("body.{n}.weight"))).count() - 1;
        if last < 2 || last % 2 == 1 {
            return Err(UpscalerError::Missing { name: format!("body.{}.weight", last + 1) });
        }
        let convs = (last - 2) / 2;
        limit("a body", convs, MAX_BLOCKS)?;
        limit("a layer", features, MAX_CHANNELS)?;
        three(c_in)?;
        let [c_out, ..] = self.conv(&format!("body.{last}.weight"))?;
        let scale = shuffled(&format!("body.{last}.weight"), c_out)?;
        for n in 0..=last {
            let (name, from) = (format!("body.{n}"), if n == 0 { c_in } else { features });
            match n {
                _ if n % 2 == 1 => self.take(&format!("{name}.weight"), &format!("{name}.weight"), &[features])?,
                _ => self.take_conv(&name, &name, [from, if n == last { c_out } else { features }], 3)?,
            }
        }
        Ok(self.finish(UpscalerSpec::Compact { features, convs, scale }))
    }

    fn span(mut self) -> Result<Named, UpscalerError> {
        let [features, c_in, ..] = self.conv("conv_1.eval_conv.weight")?;
        three(c_in)?;
        limit("a layer", features, MAX_CHANNELS)?;
        let [c_out, ..] = self.conv("upsampler.0.weight")?;
        let scale = shuffled("upsampler.0.weight", c_out)?;
        let mut convs = vec![("conv_1".to_owned(), [c_in, features]), ("conv_2".to_owned(), [features, features])];
        let of_blocks = (1..=6).flat_map(|block| (1..=3).map(move |conv| format!("block_{block}.c{conv}_r")));
        convs.extend(of_blocks.map(|name| (name, [features, features])));
        for (name, [from, to]) in convs {
            let part = |part: &str| format!("{name}.{part}");
            self.take_conv(&part("eval_conv"), &part("eval_conv"), [from, to], 3)?;
            if self.has(&part("sk.weight")) {
                let [wide_in, ..] = self.conv(&part("conv.0.weight"))?;
                let [wide_out, ..] = self.conv(&part("conv.1.weight"))?;
                self.take_conv(&part("sk"), &part("sk"), [from, to], 1)?;
                self.take_conv(&part("conv.0"), &part("conv.0"), [from, wide_in], 1)?;
                self.take_conv(&part("conv.1"), &part("conv.1"), [wide_in, wide_out], 3)?;
                self.take_conv(&part("conv.2"), &part("conv.2"), [wide_out, to], 1)?;
            }
        }
        self.take_conv("conv_cat", "conv_cat", [4 * features, features], 1)?;
        self.take_conv("upsampler.0", "upsampler.0", [features, c_out], 3)?;
        let normalized = !self.has("no_norm");
        Ok(self.finish(UpscalerSpec::Span { features, scale, normalized }))
    }
}

fn three(channels: usize) -> Result<(), UpscalerError> {
    if channels == 3 { Ok(()) } else { Err(UpscalerError::Channels { channels }) }
}

fn limit(what: &'static str, value: usize, limit: usize) -> Result<(), UpscalerError> {
    match value > limit {
        true => Err(UpscalerError::Limit { what, value: value as u64, limit: limit as u64 }),
        false => Ok(()),
    }
}

/// The factor of a pixel shuffle from so many channels to three.
fn shuffled(name: &str, channels: usize) -> Result<usize, UpscalerError> {
    let scale = (1..=MAX_SCALE).find(|scale| 3 * scale * scale == channels);
    scale.ok_or_else(|| UpscalerError::Shape {
        name: name.to_owned(),
        found: vec![channels],
        expected: "three times a square of channels".to_owned(),
    })
}
