//! The UNet at several timesteps and sizes, against diffusers.

use crate::fixture::{MODELS, STAGE, Values, copy_folder, cpu, open, part, path, tensor_close};
use burn::tensor::{DType, Tensor};
use checkpoint::{Checkpoint, Part};
use sdxl::Unet;
use std::fs;

#[test]
fn predictions_are_those_of_diffusers() {
    for (model, stages) in MODELS {
        let (checkpoint, values, compute) = (open(model), Values::read(stages), cpu());
        let config = checkpoint.unet().expect("its shape");
        let unet = part(&checkpoint, Part::Unet, &compute.device, |w| Unet::load(w, config, DType::F32));
        let tensor = |name| values.tensor::<3>(name, &compute.device);
        let pooled: Tensor<2> = values.tensor("unet.pooled_prompt_embeds", &compute.device);
        let time_ids = values.f32("unet.time_ids");
        let (time_ids, _) = time_ids.as_chunks();
        let condition = unet.condition(tensor("unet.prompt_embeds"), pooled, time_ids);
        // Sides of 7, 9 and 10 test upsampling to sizes that halving rounded up.
        for case in ["a", "b", "c", "d"] {
            let x = values.tensor::<4>(&format!("unet.{case}.sample"), &compute.device);
            let timestep = values.f32(&format!("unet.{case}.timestep"))[0];
            let output = unet.forward(x, timestep, &condition);
            let name = format!("unet.{case}.output");
            tensor_close(&format!("{model} {name} at {timestep}"), output, &values, &name, STAGE);
        }
    }
}

/// KOALA 700M's shape: one ResNet a level, no middle block, other depths on the way up. `export_koala.py` made the numbers.
#[test]
fn predictions_without_a_middle_block_are_those_of_diffusers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("model");
    copy_folder(&path("tiny/diffusers"), &root);
    fs::remove_dir_all(root.join("unet")).expect("removed");
    copy_folder(&path("koala/unet"), &root.join("unet"));
    let (checkpoint, values, compute) =
        (Checkpoint::open(&root).expect("it opens"), Values::read("reference/koala_stages.safetensors"), cpu());
    let config = checkpoint.unet().expect("its shape");
    assert!(config.mid.is_none());
    let unet = part(&checkpoint, Part::Unet, &compute.device, |w| Unet::load(w, config, DType::F32));
    let context: Tensor<3> = values.tensor("prompt_embeds", &compute.device);
    let pooled: Tensor<2> = values.tensor("pooled_prompt_embeds", &compute.device);
    let time_ids = values.f32("time_ids");
    let (time_ids, _) = time_ids.as_chunks();
    let condition = unet.condition(context, pooled, time_ids);
    for case in ["a", "b", "c"] {
        let x = values.tensor::<4>(&format!("{case}.sample"), &compute.device);
        let output = unet.forward(x, values.f32(&format!("{case}.timestep"))[0], &condition);
        tensor_close(&format!("koala {case}"), output, &values, &format!("{case}.output"), STAGE);
    }
}
