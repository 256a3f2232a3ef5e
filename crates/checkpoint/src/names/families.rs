//! The smaller UNets of the SDXL family, against diffusers: every name and shape in both layouts.

use super::{Expected, unet};
use crate::{
    UnetConfig,
    config::{ConfigFile, Shapes, unet_from_json, unet_from_tensors},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::Path};

/// Written by `tests/reference/export_families.py`.
#[derive(Deserialize)]
struct Family {
    config: serde_json::Map<String, serde_json::Value>,
    parameters: usize,
    diffusers: String,
    ldm: String,
}

fn families() -> BTreeMap<String, Family> {
    serde_json::from_str(include_str!("../../tests/fixtures/families.json")).expect("the fixture")
}

/// The digest of all names and shapes, sorted by name.
fn digest(expected: &[Expected], name: impl Fn(&Expected) -> &str) -> String {
    let shapes: BTreeMap<&str, &[usize]> = expected.iter().map(|p| (name(p), p.shape.as_slice())).collect();
    let text: String = shapes.iter().map(|(name, shape)| format!("{name} {shape:?}\n")).collect();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_tensors(expected: &[Expected]) -> UnetConfig {
    let by_name = expected.iter().map(|p| (p.ldm.as_str(), p.shape.as_slice())).collect();
    unet_from_tensors(&Shapes { path: Path::new("x"), prefix: "", by_name }, Some(1280)).expect("a supported UNet")
}

#[test]
fn the_smaller_unets_have_the_names_and_shapes_that_diffusers_gives_them() {
    let families = families();
    assert_eq!(families.keys().collect::<Vec<_>>(), ["KOALA 1B", "KOALA 700M", "SSD-1B", "Vega"]);
    for (name, family) in families {
        let config = unet_from_json(&ConfigFile { path: "config.json".into(), map: family.config });
        let config = config.expect("a supported config");
        let expected = unet(&config);
        let parameters: usize = expected.iter().map(|p| p.shape.iter().product::<usize>()).sum();
        assert_eq!(parameters, family.parameters, "{name}");
        assert_eq!(digest(&expected, |p| &p.target), family.diffusers, "{name}");
        assert_eq!(digest(&expected, |p| &p.ldm), family.ldm, "{name}");
        assert_eq!(from_tensors(&expected), config, "{name}");
    }
}
