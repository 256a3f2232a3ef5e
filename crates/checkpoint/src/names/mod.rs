//! Rules that generate the name and shape of every parameter from a part's configuration, in diffusers' naming and in
//! the single file's (LDM's, and OpenCLIP's for the second text encoder).

#[cfg(test)]
mod families;
mod taesd;
mod text;
mod unet;
mod vae;

pub(crate) use taesd::taesd;
pub(crate) use text::text_encoder;
pub(crate) use unet::unet;
pub(crate) use vae::vae;

use crate::Transform;

/// One parameter and its name in each naming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// diffusers' name.
    pub target: String,
    /// The single file's name, without the part's prefix.
    pub ldm: String,
    /// The parameter's shape.
    pub shape: Vec<usize>,
    /// How the single file's tensor becomes the parameter. Tensors in diffusers' naming need at most `Squeeze`.
    pub transform: Transform,
    /// Whether the file may contain a 1x1 convolution where the module has a linear layer.
    pub squeezable: bool,
    /// An alternative name in single files, for a tensor that needs no transform.
    pub also: Option<&'static str>,
}

/// A module's path in both namings.
#[derive(Clone)]
struct Path {
    target: String,
    ldm: String,
}

impl Path {
    fn root() -> Self {
        Self { target: String::new(), ldm: String::new() }
    }

    fn new(target: impl Into<String>, ldm: impl Into<String>) -> Self {
        Self { target: target.into(), ldm: ldm.into() }
    }

    /// A submodule with different names in the two namings.
    fn sub(&self, target: &str, ldm: &str) -> Self {
        let join = |path: &str, name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        Self { target: join(&self.target, target), ldm: join(&self.ldm, ldm) }
    }

    /// A submodule with the same name in both namings.
    fn same(&self, name: &str) -> Self {
        self.sub(name, name)
    }
}

/// Collects parameters layer by layer.
#[derive(Default)]
struct Names(Vec<Expected>);

impl Names {
    fn push(&mut self, at: &Path, shape: &[usize]) -> &mut Expected {
        self.0.push(Expected {
            target: at.target.clone(),
            ldm: at.ldm.clone(),
            shape: shape.to_vec(),
            transform: Transform::None,
            squeezable: false,
            also: None,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Weight `[out, in]` and bias `[out]`.
    fn linear(&mut self, at: &Path, out: usize, input: usize) {
        self.matrix(at, out, input);
        self.push(&at.same("bias"), &[out]);
    }

    /// Only a weight `[out, in]`.
    fn matrix(&mut self, at: &Path, out: usize, input: usize) {
        self.push(&at.same("weight"), &[out, input]);
    }

    /// Like [`Names::linear`], for layers that are a 1x1 convolution in some files.
    fn linear_or_conv(&mut self, at: &Path, out: usize, input: usize) {
        self.push(&at.same("weight"), &[out, input]).squeezable = true;
        self.push(&at.same("bias"), &[out]);
    }

    /// Weight `[out, in, side, side]` and bias `[out]`.
    fn conv(&mut self, at: &Path, out: usize, input: usize, side: usize) {
        self.push(&at.same("weight"), &[out, input, side, side]);
        self.push(&at.same("bias"), &[out]);
    }

    /// Scale and offset of a GroupNorm or LayerNorm.
    fn norm(&mut self, at: &Path, channels: usize) {
        self.push(&at.same("weight"), &[channels]);
        self.push(&at.same("bias"), &[channels]);
    }
}
