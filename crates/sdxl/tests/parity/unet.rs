//! The UNet at four timesteps and sizes, against diffusers.

use crate::fixture::{MODELS, STAGE, Values, cpu, open, part, tensor_close};
use burn::tensor::{DType, Tensor};
use checkpoint::Part;
use sdxl::Unet;

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
