//! The kernels of a step on a GPU.

mod adapter {
    use crate::support::{adapter, launches, noise, numbers, tiny};
    use burn::tensor::DType;
    use checkpoint::Part;
    use sdxl::{Unet, load_part};
    use std::collections::BTreeMap;

    /// Limit for the kernel launches of one pass through the tiny UNet. A software adapter's times say nothing about a
    /// GPU's, but its number of launches does. Currently 1239; its heads of 8 and 16 channels have no fused attention.
    /// Each process tunes which of several kernels is fastest, and some of them need two launches.
    const MOST_LAUNCHES: usize = 1500;

    #[test]
    #[ignore = "run by `on_an_adapter`"]
    fn a_pass_through_the_unet_launches_no_more_kernels_than_it_did() {
        let Some(gpu) = adapter() else { return };
        let checkpoint = tiny();
        let config = checkpoint.unet().expect("its shape");
        let load = |w: sdxl::Weights| Unet::load(w, config, DType::F32);
        let (unet, _) =
            load_part(&checkpoint, Part::Unet, &gpu.device, DType::F32, &mut |_, _| {}, load).expect("fits");
        let context = noise(&gpu, 1, [2, 77, config.cross_attention_dim]);
        let pooled = noise(&gpu, 2, [2, config.pooled_dim()]);
        let condition = unet.condition(context, pooled, &[[64.0, 96.0, 0.0, 0.0, 64.0, 96.0]; 2]);
        let pass = || drop(numbers(unet.forward(noise(&gpu, 3, [2, 4, 9, 14]), 481.0, &condition)));
        // The first pass tunes kernels.
        pass();
        let launched = launches(pass);
        let mut by_name = BTreeMap::<&str, usize>::new();
        for name in &launched {
            *by_name.entry(name).or_default() += 1;
        }
        println!("{} launches", launched.len());
        let mut by_name: Vec<_> = by_name.into_iter().collect();
        by_name.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (name, count) in by_name {
            println!("{count:5} {name}");
        }
        assert!(!launched.is_empty(), "the log tells nothing");
        assert!(launched.len() <= MOST_LAUNCHES, "{} launches", launched.len());
    }

    /// Heads with SDXL's 64 channels. All scores would be 8 * 2048 * 2048 numbers, 134 MB.
    #[test]
    #[ignore = "run by `on_an_adapter`"]
    fn attention_never_holds_all_scores() {
        const WIDTH: usize = 512;
        const LONG: usize = 2048;
        let Some(gpu) = adapter() else { return };
        let [q, k, v] = [1, 2, 3].map(|seed| noise(&gpu, seed, [1, LONG, WIDTH]));
        gpu.device.memory_cleanup();
        let reserved = || gpu.device.memory_pool_usage().expect("wgpu tells").bytes_reserved;
        let before = reserved();
        let out = numbers(sdxl::nn::attention(q, k, v, WIDTH / 64));
        let more = reserved().saturating_sub(before);
        println!("attention over {LONG} positions reserves {:.1} MB more", more as f64 / 1e6);
        assert_eq!(out.len(), LONG * WIDTH);
        let scores = (WIDTH / 64 * LONG * LONG * size_of::<f32>()) as u64;
        assert!(more < scores / 2, "{more} of {scores} bytes");
    }
}
