//! Checks that a part can be used with SDXL's latents and pictures. The parts of one checkpoint are compared when it is
//! opened, but a VAE and a TAESD may come from elsewhere, and those of other model families load without an error.

use crate::{LoadError, vae::FACTOR};
use checkpoint::{Checkpoint, Part, TaesdConfig, UnetConfig, VaeConfig};

/// Channels of SDXL's latents.
const LATENT_CHANNELS: usize = 4;
/// Red, green, blue.
const COLOURS: usize = 3;

/// Checks a part's configuration.
pub(super) fn check(checkpoint: &Checkpoint, part: Part) -> Result<(), LoadError> {
    match part {
        Part::Unet => check_unet(checkpoint.unet()?),
        Part::Vae => check_vae(checkpoint.vae()?),
        Part::Taesd => check_taesd(checkpoint.taesd()?),
        Part::TextEncoder | Part::TextEncoder2 => Ok(()),
    }
}

fn check_unet(config: &UnetConfig) -> Result<(), LoadError> {
    check_channels("unet", "latents", config.in_channels, LATENT_CHANNELS)?;
    check_channels("unet", "latents", config.out_channels, LATENT_CHANNELS)
}

fn check_vae(config: &VaeConfig) -> Result<(), LoadError> {
    check_channels("vae", "latents", config.latent_channels, LATENT_CHANNELS)?;
    check_channels("vae", "pictures", config.in_channels, COLOURS)?;
    check_channels("vae", "pictures", config.out_channels, COLOURS)
}

/// Checks that a VAE which replaces a checkpoint's `own` decodes the same latents. Stable Diffusion 1's has the same shapes,
/// and would return a pale picture with false colours.
pub(super) fn check_replacement(vae: &VaeConfig, own: Option<&VaeConfig>) -> Result<(), LoadError> {
    if vae.has_sdxl_scale() || own.is_some_and(|own| vae.is_scaled_as(own)) {
        return Ok(());
    }
    let VaeConfig { scaling_factor, shift_factor, .. } = vae;
    let own = own.map_or((0.13025, 0.0), |own| (own.scaling_factor, own.shift_factor));
    let message = format!(
        "it decodes other latents: its scaling_factor is {scaling_factor} and its shift_factor {shift_factor}; this model's \
         are {} and {} (0.18215 is Stable Diffusion 1's)",
        own.0, own.1
    );
    Err(LoadError::Config { part: "vae", message })
}

fn check_taesd(config: &TaesdConfig) -> Result<(), LoadError> {
    check_channels("taesd", "latents", config.latent_channels, LATENT_CHANNELS)?;
    check_channels("taesd", "pictures", config.out_channels, COLOURS)?;
    let (stages, needed) = (config.num_blocks.len(), FACTOR.ilog2() as usize + 1);
    if stages == needed {
        return Ok(());
    }
    let message = format!("it has {stages} stages; a picture {FACTOR} times its latent needs {needed}");
    Err(LoadError::Config { part: "taesd", message })
}

fn check_channels(part: &'static str, of: &str, found: usize, needed: usize) -> Result<(), LoadError> {
    if found == needed {
        return Ok(());
    }
    let message = format!("its {of} have {found} channels; SDXL's have {needed}");
    Err(LoadError::Config { part, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkpoint::OpenOptions;
    use std::path::Path;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(name)
    }

    #[test]
    fn parts_of_other_model_families_are_refused() {
        let tiny = Checkpoint::open(&fixture("diffusers")).expect("opened");
        for part in [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae] {
            check(&tiny, part).unwrap_or_else(|error| panic!("{part}: {error}"));
        }
        let vae = tiny.vae().expect("a VAE");
        let refused = |config| check_vae(&config).expect_err("refused").to_string();
        assert_eq!(
            refused(VaeConfig { latent_channels: 16, ..vae.clone() }),
            "the vae's configuration: its latents have 16 channels; SDXL's have 4"
        );
        assert_eq!(
            refused(VaeConfig { out_channels: 1, ..vae.clone() }),
            "the vae's configuration: its pictures have 1 channels; SDXL's have 3"
        );
        refused(VaeConfig { in_channels: 4, ..vae.clone() });
        let unet = tiny.unet().expect("a UNet");
        assert!(check_unet(&UnetConfig { in_channels: 16, out_channels: 16, ..unet.clone() }).is_err());
    }

    #[test]
    fn a_vae_for_other_latents_is_refused() {
        let tiny = Checkpoint::open(&fixture("diffusers")).expect("opened");
        let sdxl = tiny.vae().expect("a VAE");
        let scaled = |scaling_factor, shift_factor| VaeConfig { scaling_factor, shift_factor, ..sdxl.clone() };
        let own = scaled(0.5, 0.0);
        for (vae, own) in [
            (scaled(0.13025, 0.0), None),
            (scaled(f64::from(0.13025_f32), 0.0), Some(sdxl)),
            // Playground 2.5 has SDXL's VAE and normalises its latents itself.
            (scaled(0.13025, 0.0), Some(&own)),
            (scaled(0.5, 0.0), Some(&own)),
        ] {
            check_replacement(&vae, own).expect("the same latents");
        }
        let error = check_replacement(&scaled(0.18215, 0.0), Some(sdxl)).expect_err("refused").to_string();
        let expected = "the vae's configuration: it decodes other latents: its scaling_factor is 0.18215 and its shift_factor \
                        0; this model's are 0.13025 and 0 (0.18215 is Stable Diffusion 1's)";
        assert_eq!(error, expected);
        assert!(check_replacement(&scaled(0.13025, 0.1159), Some(sdxl)).is_err());
        assert!(check_replacement(&scaled(0.3611, 0.1159), None).is_err());
    }

    #[test]
    fn a_preview_decoder_of_another_size_is_refused() {
        let open = Checkpoint::open_part(Part::Taesd, &fixture("taesd"), &OpenOptions::default()).expect("opened");
        check(&open, Part::Taesd).expect("it fits");
        let taesd = open.taesd().expect("a TAESD");
        assert!(check_taesd(&TaesdConfig { latent_channels: 16, ..taesd.clone() }).is_err());
        assert!(check_taesd(&TaesdConfig { out_channels: 4, ..taesd.clone() }).is_err());
        let short = TaesdConfig { num_blocks: taesd.num_blocks[1..].to_vec(), ..taesd.clone() };
        let told = check_taesd(&short).expect_err("refused").to_string();
        assert_eq!(told, "the taesd's configuration: it has 3 stages; a picture 8 times its latent needs 4");
    }
}
