//! A thousand changed LoRA files: a result or an error, never a panic, in bounded time.

use crate::common::{T, bytes_of, floats, models, timed, zeros};
use checkpoint::{Checkpoint, EmbeddingFile, LoraFile, LoraReport};
use std::{sync::Arc, time::Duration};

/// A small generator with a fixed seed (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// One layer of each kind, with scales, metadata and a bundled embedding.
fn good() -> (Vec<T>, Vec<(&'static str, &'static str)>) {
    let linear = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1";
    let conv = "lora_unet_down_blocks_0_resnets_0_conv1";
    let peft = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0";
    let tensors = vec![
        zeros(&format!("{linear}_to_q.lora_down.weight"), "F16", &[4, 16]),
        zeros(&format!("{linear}_to_q.lora_up.weight"), "F16", &[16, 4]),
        floats(&format!("{linear}_to_q.alpha"), &[], &[2.0]),
        zeros(&format!("{linear}_to_q.dora_scale"), "F32", &[16, 1]),
        zeros(&format!("{linear}_to_k.lokr_w1"), "F16", &[4, 2]),
        zeros(&format!("{linear}_to_k.lokr_w2_a"), "F16", &[4, 1]),
        zeros(&format!("{linear}_to_k.lokr_w2_b"), "F16", &[1, 8]),
        zeros(&format!("{linear}_to_v.diff"), "F16", &[16, 16]),
        zeros(&format!("{conv}.hada_w1_a"), "BF16", &[2, 8]),
        zeros(&format!("{conv}.hada_w1_b"), "BF16", &[2, 8]),
        zeros(&format!("{conv}.hada_w2_a"), "BF16", &[2, 8]),
        zeros(&format!("{conv}.hada_w2_b"), "BF16", &[2, 8]),
        zeros(&format!("{conv}.hada_t1"), "BF16", &[2, 2, 3, 3]),
        zeros(&format!("{conv}.hada_t2"), "BF16", &[2, 2, 3, 3]),
        zeros(&format!("{peft}.lora_A.weight"), "F8_E4M3", &[1, 16]),
        zeros(&format!("{peft}.lora_B.weight"), "F8_E4M3", &[16, 1]),
        zeros("lora_te2_text_model_encoder_layers_0_mlp_fc1.diff_b", "F16", &[64]),
        zeros("bundle_emb.cat.clip_l", "F16", &[2, 16]),
        zeros("bundle_emb.cat.clip_g", "F16", &[2, 24]),
    ];
    let metadata = vec![
        ("lora_adapter_metadata", r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"to_out.0": 2}, "unet.r": 1}"#),
        ("ss_tag_frequency", r#"{"10_cat": {"cat": 7, "a very long tag": 1}}"#),
        ("modelspec.trigger_phrase", "cat"),
    ];
    (tensors, metadata)
}

/// Changes the bytes of the header, a name, a shape, a dtype or the metadata.
fn changed(random: &mut Random) -> Vec<u8> {
    let (mut tensors, mut metadata) = good();
    for _ in 0..=random.below(3) {
        let index = random.below(tensors.len());
        match random.below(7) {
            0 => tensors[index].name = tensors[random.below(tensors.len())].name.clone() + random.of(&["", ".x", "_a"]),
            1 => {
                let keep = random.below(tensors[index].name.len());
                tensors[index].name.truncate(keep);
            }
            2 => {
                let sides = [0, 1, 2, 8, 16, 4096, 1 << 20];
                let shape: Vec<usize> = (0..random.below(6)).map(|_| sides[random.below(sides.len())]).collect();
                if shape.iter().product::<usize>() <= 1 << 16 {
                    tensors[index] = zeros(&tensors[index].name.clone(), "F16", &shape);
                }
            }
            3 => {
                let dtype = random.of(&["F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E8M0", "I64", "U8", "BOOL"]);
                let T { name, shape, .. } = tensors[index].clone();
                tensors[index] = zeros(&name, dtype, &shape);
            }
            4 => {
                tensors.remove(index);
            }
            5 => {
                let entry = random.below(metadata.len());
                metadata[entry].1 =
                    random.of(&["", "{", "[]", "null", r#"{"unet.lora_alpha": 1e999}"#, r#"{"a": {"b": -1}}"#]);
            }
            _ => {
                let length = tensors[index].data.len();
                tensors[index].data = (0..length).map(|_| random.next() as u8).collect();
            }
        }
        if tensors.is_empty() {
            break;
        }
    }
    // Of two tensors with one name the header, an object, has only one; the other's bytes are then a gap.
    let mut bytes = bytes_of(&tensors, &metadata);
    const BYTES: &[u8] = b"09[]{}-,:";
    if random.below(4) == 0 {
        let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let at = 8 + random.below(header);
        bytes[at] = BYTES[random.below(BYTES.len())];
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    bytes
}

/// Opens, describes, plans and reads. Returns whether it could be planned.
fn exercise(bytes: Vec<u8>, tiny: &Checkpoint) -> bool {
    let length = bytes.len();
    let lora = match LoraFile::in_memory("x.safetensors".into(), Arc::new(bytes)) {
        Ok(lora) => lora,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return false;
        }
    };
    assert!(serde_json::to_string(&LoraReport::of(&lora)).expect("JSON").len() < 64 * length + 4096);
    if let Err(error) = EmbeddingFile::bundled(&lora) {
        assert!(!error.to_string().contains('\n'));
    }
    lora.auto_v3().expect("all bytes are there");
    match lora.plan(tiny) {
        Ok(plan) => {
            let biases =
                plan.layers.values().flat_map(|layers| layers.values()).filter_map(|delta| delta.bias.as_ref());
            for bias in biases {
                assert_eq!(lora.read(bias).expect("it reads").len(), bias.elements());
            }
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.len() < 8192, "{text}");
            false
        }
    }
}

#[test]
fn a_thousand_changed_files_are_answered() {
    let tiny = Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens");
    let (tensors, metadata) = good();
    let unchanged = LoraFile::in_memory("x".into(), Arc::new(bytes_of(&tensors, &metadata))).expect("a header");
    unchanged.plan(&tiny).expect("the unchanged file can be planned");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut planned, mut slowest) = (0, Duration::ZERO);
    for _ in 0..1000 {
        let bytes = changed(&mut random);
        let (time, result) = timed(|| exercise(bytes, &tiny));
        planned += usize::from(result);
        slowest = slowest.max(time);
    }
    // Some changes are harmless, most are not.
    assert!((50..950).contains(&planned), "{planned}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}
