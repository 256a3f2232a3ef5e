//! Records of other programs. The fixtures follow each program's source code.

use super::{fixture_text, info, not_applied, of_text, reason, record};
use png_info::PartialParameters;
use serde_json::Value;

fn texts(set: &PartialParameters) -> (Option<&str>, Option<&str>) {
    (set.prompt.as_deref(), set.negative_prompt.as_deref())
}

fn names(set: &PartialParameters) -> (Option<&str>, Option<&str>, Option<&str>) {
    (set.sampler.as_deref(), set.scheduler.as_deref(), set.model.as_deref())
}

/// Name and weights of each LoRA file.
fn loras(set: &PartialParameters) -> Vec<(&str, f64, f64)> {
    set.loras
        .iter()
        .flat_map(|loras| loras.iter())
        .map(|lora| (&*lora.name, lora.unet_weight, lora.text_weight()))
        .collect()
}

#[test]
fn comfyuis_graph_is_followed_from_the_first_sampler() {
    let record = record(&[("prompt", &fixture_text("comfyui.json"))]);
    assert_eq!((record.program.as_str(), record.program_version.as_deref()), ("ComfyUI", None));
    let set = &record.settings;
    assert_eq!(texts(set), (Some("a red fox, \"snow\""), Some("blurry")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(20), Some(8.0), Some(156_680_208_700_286)));
    assert_eq!((set.width, set.height, set.strength), (Some(832), Some(1216), None));
    assert_eq!(names(set), (Some("dpmpp_2m"), Some("karras"), Some("sd_xl_base_1.0")));
    assert_eq!(loras(set), [("detail", 0.8, 1.0)]);
    assert_eq!(not_applied(&record), ["KSampler 12"]);
    assert_eq!(record.not_applied[0].value, "steps 14, cfg 7.0, denoise 0.5");
}

#[test]
fn comfyuis_nodes_for_sdxl_are_known() {
    let record = record(&[("prompt", &fixture_text("comfyui_sdxl.json"))]);
    let set = &record.settings;
    assert_eq!(texts(set), (Some("an evening lake"), Some("watermark\nwatermark, text")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(25), Some(8.0), Some(721_897_303_308_196)));
    assert_eq!((set.width, set.height), (Some(1024), Some(1024)));
    assert_eq!(names(set), (Some("euler_ancestral"), Some("normal"), Some("sd_xl_base_1.0")));
    assert_eq!(not_applied(&record), ["negative", "end_at_step", "KSamplerAdvanced 7"]);
}

#[test]
fn comfyuis_samplers_in_parts_are_put_together() {
    let record = record(&[("prompt", &fixture_text("comfyui_custom.json"))]);
    let set = &record.settings;
    assert_eq!(texts(set), (Some("a harbour"), Some("")));
    assert_eq!((set.steps, set.cfg_scale, set.width, set.height), (Some(18), Some(5.5), Some(1216), Some(832)));
    assert_eq!(names(set), (Some("dpmpp_3m_sde"), Some("karras"), Some("juggernautXL")));
    // A 64-bit seed: PyTorch's generator uses the low 32 bits.
    assert_eq!((set.seed, not_applied(&record)), (Some(u64::from(u32::MAX)), vec!["noise_seed"]));
}

#[test]
fn comfyuis_drawn_graph_is_read_without_the_other() {
    let record = record(&[("workflow", &fixture_text("comfyui_workflow.json"))]);
    let set = &record.settings;
    assert_eq!(texts(set), (Some("a glass bottle"), Some("text, watermark")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(33), Some(8.0), Some(156_680_208_700_286)));
    assert_eq!((set.width, set.height), (Some(1024), Some(768)));
    assert_eq!(names(set), (Some("euler"), Some("normal"), Some("v1-5")));
    assert_eq!(not_applied(&record), Vec::<&str>::new());
    assert_eq!(loras(set), [], "the LoRA was switched off");
}

#[test]
fn comfyuis_loaders_of_lora_files() {
    let graph = r#"{"1": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 9, "cfg": 2, "sampler_name": "lcm",
        "scheduler": "normal", "model": ["2", 0], "positive": ["9", 0], "latent_image": ["9", 0]}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "sub\\fast.safetensors", "strength_model": "0.9",
        "model": ["3", 0]}},
        "3": {"class_type": "Power Lora Loader (rgthree)", "inputs": {"model": ["4", 0], "PowerLoraLoaderHeaderWidget": {},
        "lora_1": {"on": true, "lora": "ink.safetensors", "strength": 0.5, "strengthTwo": null},
        "lora_2": {"on": false, "lora": "off.safetensors", "strength": 1},
        "lora_3": {"on": true, "lora": "far.safetensors", "strength": 30}}},
        "4": {"class_type": "Lora Loader Stack (rgthree)", "inputs": {"model": ["5", 0], "lora_01": "ink.safetensors",
        "strength_01": -0.25, "lora_02": "None", "strength_02": 1}},
        "5": {"class_type": "LoraLoader", "inputs": {"model": ["6", 0], "lora_name": "still.pt", "strength_model": 0, "strength_clip": 0}},
        "6": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "xl.safetensors"}}}"#;
    let record = record(&[("prompt", graph)]);
    assert_eq!(loras(&record.settings), [("sub/fast", 0.9, 0.0), ("ink", 0.25, 0.25)]);
    assert_eq!((not_applied(&record), record.settings.model.as_deref()), (vec!["lora_3"], Some("xl")));
}

#[test]
fn an_image_to_image_graph_says_what_is_missing() {
    let graph = r#"{"1": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 9, "cfg": 2, "sampler_name": "lcm",
        "scheduler": "sgm_uniform", "denoise": 0.4, "positive": ["2", 0], "latent_image": ["3", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["5", 0]}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["4", 0]}}, "4": {"class_type": "LoadImage", "inputs": {}},
        "5": {"class_type": "StringConcatenate", "inputs": {"string_a": "a cat", "string_b": ["6", 0], "delimiter": " - "}},
        "6": {"class_type": "Reroute", "inputs": {"": ["7", 0]}},
        "7": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "in snow"}}}"#;
    let record = record(&[("prompt", graph)]);
    assert_eq!(texts(&record.settings), (Some("a cat - in snow"), None));
    assert_eq!((record.settings.strength, record.settings.width), (Some(0.4), None));
    assert_eq!(not_applied(&record), ["denoise", "latent_image"]);
}

#[test]
fn invokeais_three_forms() {
    let core = record(&[("invokeai_metadata", &fixture_text("invokeai.json")), ("invokeai_graph", "{}")]);
    assert_eq!((core.program.as_str(), core.program_version.as_deref()), ("InvokeAI", Some("4.2.7")));
    let set = &core.settings;
    assert_eq!(texts(set), (Some("a lighthouse"), Some("fog")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(30), Some(7.5), Some(356_120_443)));
    assert_eq!((set.width, set.height), (Some(1024), Some(1152)));
    assert_eq!(names(set), (Some("dpmpp_2m_sde"), Some("karras"), Some("stable-diffusion-xl-base-1-0")));
    assert_eq!((not_applied(&core), loras(set)), (vec!["vae"], vec![("pixel-art", 0.75, 0.75)]));
    let third = fixture_text("invokeai.json")
        .replace(r#"{"model": {"name": "pixel-art"}"#, r#"{"lora": {"model_name": "pixel"}"#);
    assert_eq!(loras(&record(&[("invokeai_metadata", &third)]).settings), [("pixel", 0.75, 0.75)]);

    let second = record(&[("sd-metadata", &fixture_text("invokeai_2.json")), ("Dream", "\"x\" -s 1")]);
    let set = &second.settings;
    assert_eq!(texts(set), (Some("a lighthouse at night"), Some("fog, rain")));
    assert_eq!((set.steps, set.seed, set.width, set.height), (Some(50), Some(3_400_881_859), Some(768), Some(512)));
    assert_eq!(names(set), (Some("dpmpp_2m"), Some("leading"), Some("stable-diffusion-1.5")));
    assert_eq!((second.program_version.as_deref(), not_applied(&second)), (Some("2.3.5"), vec!["model_hash"]));

    let dream = record(&[("Dream", r#""a "big" cat++ [dog]" -s 50 -S42 -W 512 -H 768 -C 7.5 -A k_euler_a --gfpgan"#)]);
    let set = &dream.settings;
    assert_eq!(texts(set), (Some("a \"big\" cat++"), Some("dog")));
    assert_eq!((set.steps, set.seed, set.width, set.height), (Some(50), Some(42), Some(512), Some(768)));
    assert_eq!(names(set), (Some("euler_ancestral"), Some("leading"), None));
    assert_eq!(not_applied(&dream), ["--gfpgan", "prompt"]);
}

#[test]
fn novelais_comment_and_description() {
    let fixture: Value = serde_json::from_str(&fixture_text("novelai.json")).expect("JSON");
    let fixture = fixture.as_object().expect("an object");
    let texts_of: Vec<(&str, &str)> =
        fixture.iter().map(|(name, text)| (name.as_str(), text.as_str().expect("a text"))).collect();
    let made = record(&texts_of);
    assert_eq!(made.program, "NovelAI");
    assert_eq!(made.program_version.as_deref(), Some("NovelAI Diffusion V4 37442FCA"));
    let set = &made.settings;
    assert_eq!(texts(set), (Some("1girl, {{snow}}, forest"), Some("lowres, blurry")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(28), Some(5.5), Some(2_837_482_913)));
    assert_eq!((set.width, set.height), (Some(832), Some(1216)));
    assert_eq!(names(set), (Some("euler_ancestral"), Some("karras"), None));
    assert_eq!(not_applied(&made), ["char_caption", "prompt"]);
    // Version 1 has no prompt in its comment.
    let comment =
        r#"{"steps": 28, "sampler": "k_dpmpp_2m", "seed": 5, "strength": 0.7, "noise": 0.2, "scale": 11, "uc": "bad"}"#;
    let first = record(&[("Software", "NovelAI"), ("Description", "a knight"), ("Comment", comment)]);
    assert_eq!(texts(&first.settings), (Some("a knight"), Some("bad")));
    assert_eq!((first.settings.steps, first.settings.scheduler.as_deref()), (Some(28), Some("normal")));
}

#[test]
fn swarmuis_parameters() {
    let record = of_text(&fixture_text("swarmui.json"));
    assert_eq!((record.program.as_str(), record.program_version.as_deref()), ("SwarmUI", Some("0.9.5.0")));
    let set = &record.settings;
    assert_eq!(texts(set), (Some("a wooden boat, 湖"), Some("people")));
    assert_eq!((set.steps, set.cfg_scale, set.seed), (Some(22), Some(6.5), Some(1_234_567_890)));
    assert_eq!((set.width, set.height), (Some(1152), Some(896)));
    assert_eq!(names(set), (Some("dpmpp_2m_sde"), Some("karras"), Some("sd_xl_base_1.0")));
    assert_eq!((not_applied(&record), loras(set)), (vec![], vec![("detail", 0.8, 0.8)]));
    let hashed = fixture_text("swarmui.json")
        .replace(r#""loraweights""#, r#""loratencweights": ["0.5"], "loraweights""#)
        .replace(
            r#""sui_models": ["#,
            r#""sui_models": [{"name": "detail.safetensors", "param": "loras", "hash": "0x0123456789ABCDEF"}, "#,
        );
    let lora = &of_text(&hashed).settings.loras.expect("a file")[0];
    assert_eq!((lora.text_weight, lora.hash.as_deref()), (Some(0.5), Some("0123456789ab")));
}

#[test]
fn fooocus_in_both_schemes() {
    let own = record(&[("parameters", &fixture_text("fooocus.json")), ("fooocus_scheme", "fooocus")]);
    assert_eq!((own.program.as_str(), own.program_version.as_deref()), ("Fooocus", Some("v2.5.5")));
    let set = &own.settings;
    assert_eq!(texts(set), (Some("a stone bridge"), Some("blurry")));
    assert_eq!((set.steps, set.cfg_scale, set.width, set.height), (Some(30), Some(4.0), Some(1152), Some(896)));
    assert_eq!(set.seed, Some(6_205_338_742_934_237_034 & 0xFFFF_FFFF));
    assert_eq!(names(set), (Some("dpmpp_2m_sde"), Some("karras"), Some("juggernautXL_v8Rundiffusion")));
    assert_eq!(reason(&own, "styles"), "styles are not applied");
    assert_eq!(loras(set), [("sd_xl_offset_example-lora_1.0", 0.1, 0.1)]);
    let old = fixture_text("fooocus.json").replace("\"loras\"", "\"old\"");
    assert_eq!(loras(&record(&[("parameters", &old)]).settings), loras(set), "from lora_combined_1");

    let text = "cinematic still a bridge, sharp\nNegative prompt: unrealistic\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 5, \
                Size: 1152x896, CFG scale: 4, Sharpness: 2, ADM Guidance: \"(1.5, 0.8, 0.3)\", Model: juggernaut, Scheduler: karras, \
                Raw prompt: \"a bridge, Seed: 9\", Version: Fooocus v2.5.5";
    let a1111 = record(&[("parameters", text), ("fooocus_scheme", "a1111")]);
    assert_eq!((a1111.program.as_str(), a1111.settings.seed), ("Fooocus", Some(5)));
    assert_eq!(names(&a1111.settings), (Some("dpmpp_2m_sde"), Some("karras"), Some("juggernaut")));
    assert_eq!(not_applied(&a1111), ["Sharpness", "ADM Guidance", "Raw prompt"]);
    let lists = "Lora hashes: \"offset: 4852686128, detail: 0123456789ab\", Lora weights: \"offset: 0.1, detail: -1\", Version: Fooocus";
    let with_loras = of_text(&text.replace("Version: Fooocus", lists));
    assert_eq!(loras(&with_loras.settings), [("offset", 0.1, 0.1), ("detail", -1.0, -1.0)]);
    let hash = |place: usize| with_loras.settings.loras.as_ref().and_then(|loras| loras[place].hash.clone());
    assert_eq!((hash(0).as_deref(), hash(1).as_deref()), (Some("4852686128"), Some("0123456789ab")));
    assert_eq!(not_applied(&with_loras), not_applied(&a1111));
}

#[test]
fn easy_diffusion_in_both_forms() {
    let object = r#"{"prompt": "a barn", "seed": 7, "used_random_seed": true, "negative_prompt": "fog", "num_inference_steps": 25,
        "guidance_scale": 7.5, "width": 768, "height": 512, "sampler_name": "euler_a", "use_stable_diffusion_model": "C:\\models\\xl.safetensors",
        "use_vae_model": "sdxl"}"#;
    let one = of_text(object);
    let apart =
        [("Prompt", "a barn"), ("Negative Prompt", "fog"), ("Seed", "7"), ("Steps", "25"), ("Guidance Scale", "7.5")];
    let rest =
        [("Width", "768"), ("Height", "512"), ("Sampler", "euler_a"), ("Stable Diffusion model", "xl.safetensors")];
    let several = record(&[&apart[..], &rest[..]].concat());
    for record in [&one, &several] {
        let set = &record.settings;
        assert_eq!((record.program.as_str(), texts(set)), ("Easy Diffusion", (Some("a barn"), Some("fog"))));
        assert_eq!((set.steps, set.seed, set.width, set.height), (Some(25), Some(7), Some(768), Some(512)));
        assert_eq!(names(set), (Some("euler_ancestral"), Some("normal"), Some("xl")));
    }
    assert_eq!(not_applied(&one), ["use_vae_model", "used_random_seed"]);
    let with_loras = object
        .replace("\"use_vae", r#""use_lora_model": ["ink", "b.safetensors"], "lora_alpha": [0.5, "2"], "use_vae"#);
    assert_eq!(loras(&of_text(&with_loras).settings), [("ink", 0.5, 0.5), ("b", 2.0, 2.0)]);
    let with_loras = [&apart[..], &rest[..], &[("LoRA model", "['ink', 'b']"), ("LoRA Strength", "[0.5, 2]")]].concat();
    assert_eq!(loras(&record(&with_loras).settings), [("ink", 0.5, 0.5), ("b", 2.0, 2.0)]);
    assert_eq!(not_applied(&record(&with_loras)), not_applied(&several));
}

#[test]
fn draw_things_in_xmp() {
    let json = r#"{"c":"a &quot;fox&quot; &amp; snow","uc":"fog","steps":20,"scale":7.5,"seed":5,"size":"1024x768","sampler":"DPM++ 2M Karras","model":"xl_f16.ckpt","strength":1,"lora":[{"model":"ink_lora_f16.ckpt","weight":0.6}],"v2":{"seed":1}}"#
        .replace("\"c\":\"a &quot;fox&quot;", "\"c\":\"a \\&quot;fox\\&quot;");
    let xmp = format!(
        "<x:xmpmeta><rdf:Description><exif:UserComment><rdf:Alt><rdf:li xml:lang=\"x-default\">{json}</rdf:li></rdf:Alt>\
         </exif:UserComment></rdf:Description></x:xmpmeta>"
    );
    let record = record(&[("XML:com.adobe.xmp", &xmp)]);
    let set = &record.settings;
    assert_eq!((record.program.as_str(), texts(set)), ("Draw Things", (Some("a \"fox\" & snow"), Some("fog"))));
    assert_eq!((set.steps, set.seed, set.width, set.height), (Some(20), Some(5), Some(1024), Some(768)));
    assert_eq!(names(set), (Some("dpmpp_2m"), Some("karras"), Some("xl_f16")));
    assert_eq!(loras(set), [("ink_lora_f16", 0.6, 0.6)]);
    assert_eq!(not_applied(&record), Vec::<&str>::new());
}

#[test]
fn json_of_an_unknown_program_is_no_prompt() {
    for text in ["{\"a\": 1}", " {}", "{\"prompt\": 5}"] {
        let info = info(&[("parameters", text)]);
        assert_eq!((info.record, info.a1111.as_deref()), (None, Some(text)));
    }
    assert_eq!(of_text("{a|b} cat").settings.prompt.as_deref(), Some("{a|b} cat"));
}

#[test]
fn emberlines_own_record_comes_first() {
    let own = r#"{"prompt":"a car","width":128,"height":64,"steps":20,"cfg_scale":4.0,"sampler":"euler","scheduler":"leading",
        "seed":7,"model":"starter","strength":0.5,"version":"1"}"#;
    let both = record(&[("emberline", own), ("parameters", "a cat\nSteps: 1, Seed: 2, Sampler: Euler")]);
    assert_eq!((both.program.as_str(), both.program_version.as_deref()), ("Emberline", Some("1")));
    assert_eq!((texts(&both.settings), both.settings.steps), ((Some("a car"), Some("")), Some(20)));
    assert_eq!(not_applied(&both), ["strength"]);
    // A record of another version may not parse; the text next to it is still used.
    let other = record(&[("emberline", "{\"prompt\": 1}"), ("parameters", "a cat")]);
    assert_eq!(texts(&other.settings), (Some("a cat"), Some("")));
}
