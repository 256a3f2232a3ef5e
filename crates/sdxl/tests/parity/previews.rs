//! TAESD, against diffusers' AutoencoderTiny.

use crate::fixture::{STAGE, Values, cpu, part, path, tensor_close};
use checkpoint::{Checkpoint, OpenOptions, Part};
use sdxl::Taesd;

#[test]
fn taesd_decodes_as_in_diffusers_from_either_naming() {
    let (values, compute) = (Values::read("reference/tiny_stages.safetensors"), cpu());
    // The original file is in f16; the parameters have the same values.
    for file in ["tiny/taesd", "tiny/taesdxl_decoder.safetensors"] {
        let checkpoint = Checkpoint::open_part(Part::Taesd, &path(file), &OpenOptions::default());
        let checkpoint = checkpoint.unwrap_or_else(|e| panic!("{file}: {e}"));
        let config = checkpoint.taesd().expect("its shape");
        let taesd = part(&checkpoint, Part::Taesd, &compute.device, |w| Taesd::load(w, config));
        let decoded = taesd.decode(values.tensor("taesd.latents", &compute.device));
        tensor_close(&format!("{file} decoded"), decoded, &values, "taesd.decoded", STAGE);
    }
}
