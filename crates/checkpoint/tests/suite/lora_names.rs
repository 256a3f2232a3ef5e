//! SDXL base at full size: every layer's name in each key layout of LoRA files, against diffusers' and peft's.

use crate::common::{fixtures, sdxl_names, single_file_tensors, write_sparse};
use checkpoint::{Checkpoint, LoraFile, LoraPlan, Part, WeightDelta};
use std::{collections::BTreeMap, path::Path};

/// A layer's names, written by `tests/reference/export_lora_names.py`.
struct Layer {
    part: Part,
    path: String,
    kohya: String,
    kohya_diffusers: String,
    older: String,
}

fn layers() -> Vec<Layer> {
    let text = std::fs::read_to_string(fixtures().join("lora_names.txt")).expect("the fixture is there");
    text.lines().flat_map(unfold).collect()
}

fn unfold(line: &str) -> Vec<Layer> {
    let (mark, last) = match line.split_once("{0..").and_then(|(_, rest)| rest.split_once('}')) {
        Some((last, _)) => (format!("{{0..{last}}}"), last.parse().expect("a number")),
        None => ("{}".to_owned(), 0),
    };
    let one = |index: usize| {
        let line = line.replace(&mark, &index.to_string());
        let fields: Vec<&str> = line.split(' ').collect();
        let [part, path, kohya, kohya_diffusers, older] = fields[..] else { panic!("five fields: {line}") };
        Layer {
            part: part_of(part),
            path: path.into(),
            kohya: kohya.into(),
            kohya_diffusers: kohya_diffusers.into(),
            older: older.strip_suffix(".down.weight").expect("a down tensor").into(),
        }
    };
    (0..=last).map(one).collect()
}

fn part_of(folder: &str) -> Part {
    Part::ALL.into_iter().find(|part| part.folder() == folder).expect("a part")
}

/// The shape of every weight, by part and path.
fn weights() -> BTreeMap<(Part, String), Vec<usize>> {
    let weight = |name: crate::common::Name| {
        let path = name.target.strip_suffix(".weight")?.to_owned();
        Some(((part_of(&name.part), path), name.shape))
    };
    sdxl_names().into_iter().filter_map(weight).collect()
}

/// Plans a LoRA of rank 1 over these layers, of which `names` gives the names of the down and up tensors.
fn plan(checkpoint: &Checkpoint, folder: &Path, layers: &[Layer], names: impl Fn(&Layer) -> [String; 2]) -> LoraPlan {
    let weights = weights();
    let tensors: Vec<_> = layers
        .iter()
        .flat_map(|layer| {
            let weight = &weights[&(layer.part, layer.path.clone())];
            let [down, up] = names(layer);
            let ones = vec![1; weight.len() - 2];
            let down_shape = [&[1], &weight[1..]].concat();
            [(down, "F16", down_shape), (up, "F16", [&[weight[0], 1], &ones[..]].concat())]
        })
        .collect();
    let path = folder.join("lora.safetensors");
    write_sparse(&path, &tensors);
    LoraFile::open(&path).expect("it opens").plan(checkpoint).expect("it plans")
}

/// Every layer is changed by the tensors that have its name.
fn assert_layers(plan: &LoraPlan, layers: &[Layer], names: impl Fn(&Layer) -> [String; 2]) {
    let mut found: Vec<_> = plan
        .layers
        .iter()
        .flat_map(|(part, layers)| layers.iter().map(move |(path, delta)| (*part, path.clone(), delta.weight.clone())))
        .map(|(part, path, weight)| match weight {
            Some(WeightDelta::LowRank { down, up, .. }) => (part, path, [down.name, up.name]),
            other => panic!("{path}: {other:?}"),
        })
        .collect();
    let mut expected: Vec<_> = layers.iter().map(|layer| (layer.part, layer.path.clone(), names(layer))).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn every_layout_names_the_layers_that_diffusers_and_peft_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    write_sparse(&path, &single_file_tensors("F16"));
    let checkpoint = Checkpoint::open(&path).expect("it opens");
    let layers = layers();
    let count = |part| layers.iter().filter(|layer| layer.part == part).count();
    // 722 of the UNet's are in kohya's default network; the others are convolutions and the time embeddings.
    assert_eq!([Part::Unet, Part::TextEncoder, Part::TextEncoder2].map(count), [794, 72, 192]);
    let ldm: BTreeMap<String, String> = sdxl_names()
        .into_iter()
        .filter(|name| name.part == "unet")
        .map(|name| (name.target, name.ldm.replace("model.diffusion_model.", "diffusion_model.")))
        .collect();
    let generic = |layer: &Layer| match layer.part {
        Part::Unet => {
            let name = &ldm[&format!("{}.weight", layer.path)];
            name.strip_suffix(".weight").expect("a weight").to_owned()
        }
        Part::TextEncoder => format!("text_encoders.clip_l.transformer.{}", layer.path),
        _ => format!("text_encoders.clip_g.transformer.{}", layer.path),
    };
    type Names<'a> = Box<dyn Fn(&Layer) -> [String; 2] + 'a>;
    let pair = |base: String, down: &str, up: &str| [format!("{base}{down}"), format!("{base}{up}")];
    let peft = |layer: &Layer| format!("{}.{}", layer.part, layer.path);
    let saved = |layer: &Layer| format!("{}.base_model.model.{}", layer.part, layer.path);
    let whole = |layer: &Layer| format!("base_model.model.{}.{}", layer.part, layer.path);
    let (a, b) = (".lora_A.weight", ".lora_B.weight");
    let named = (".lora_A.default.weight", ".lora_B.default.weight");
    let layouts: [(&str, Names<'_>); 7] = [
        ("kohya", Box::new(|l| pair(l.kohya.clone(), ".lora_down.weight", ".lora_up.weight"))),
        ("kohya, diffusers", Box::new(|l| pair(l.kohya_diffusers.clone(), ".lora_down.weight", ".lora_up.weight"))),
        ("older diffusers", Box::new(|l| pair(l.older.clone(), ".down.weight", ".up.weight"))),
        ("peft", Box::new(|l| pair(peft(l), a, b))),
        ("peft's own save", Box::new(|l| pair(saved(l), named.0, named.1))),
        ("peft's own save of a pipeline", Box::new(|l| pair(whole(l), named.0, named.1))),
        ("generic", Box::new(|l| pair(generic(l), ".lora_down.weight", ".lora_up.weight"))),
    ];
    for (layout, names) in &layouts {
        println!("{layout}");
        let plan = plan(&checkpoint, folder.path(), &layers, names);
        assert_layers(&plan, &layers, names);
        assert!(plan.ignored.is_empty(), "{layout}");
    }
    let unet: Vec<Layer> = layers.into_iter().filter(|layer| layer.part == Part::Unet).collect();
    let wrapper =
        |l: &Layer| pair(format!("lycoris_{}", l.path.replace('.', "_")), ".lora_down.weight", ".lora_up.weight");
    let bare = |l: &Layer| pair(format!("base_model.model.{}", l.path), a, b);
    for names in [&wrapper as &dyn Fn(&Layer) -> [String; 2], &bare] {
        assert_layers(&plan(&checkpoint, folder.path(), &unet, names), &unet, names);
    }
}
