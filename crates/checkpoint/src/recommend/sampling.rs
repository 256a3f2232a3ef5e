//! Sampler and schedule from scheduler_config.json. `crates/diffusion/tests/reference/spacings.json` proves which names
//! correspond to diffusers' classes.

use super::{
    Note, Said,
    classes::{Class, Grid},
};
use crate::{
    Error,
    config::{ConfigFile, Defaults, TimestepSpacing},
};
use serde_json::Value;

/// A sampler or a schedule by name.
type Named = Option<Said<&'static str>>;

/// Keys that replace the spaced sigmas, in the order in which diffusers checks them.
const CONVERSIONS: [(&str, &str); 3] =
    [("use_karras_sigmas", "karras"), ("use_exponential_sigmas", "exponential"), ("use_beta_sigmas", "beta")];

/// The sampler and the schedule requested by the config.
pub(super) fn of_config(file: &ConfigFile, notes: &mut Vec<Note>) -> Result<(Named, Named), Error> {
    let name = file.text("_class_name")?.unwrap_or_default();
    let class = Class::named(name);
    let mut notes = Notes(notes);
    let sampler = match class {
        Some(class) => sampler(file, class, &mut notes)?,
        None => None,
    };
    if sampler.is_none() && !name.is_empty() {
        notes.sampler(format!(
            "its scheduler is {}, which Emberline has no sampler for: its default sampler is taken",
            crate::safetensors::one_line(name)
        ));
    }
    if class.is_some_and(|class| class.grid == Grid::Distilled) {
        notes.0.push(Note {
            field: "steps",
            text: format!("{name} is for models that draw in 2 to 8 steps with guidance 1, but the checkpoint does not say how many"),
        });
    }
    let schedule = match class {
        Some(class) => Some(schedule(file, class, &mut notes)?),
        None => file.text("timestep_spacing")?.and_then(spacing_named).map(|name| Said::new(name, SPACING)),
    };
    endings(file, class, &mut notes)?;
    Ok((sampler, schedule))
}

/// The source of a schedule that the config gives explicitly.
const SPACING: &str = "scheduler_config.json timestep_spacing";

struct Notes<'a>(&'a mut Vec<Note>);

impl Notes<'_> {
    fn sampler(&mut self, text: impl Into<String>) {
        self.0.push(Note { field: "sampler", text: text.into() });
    }

    fn schedule(&mut self, text: impl Into<String>) {
        self.0.push(Note { field: "scheduler", text: text.into() });
    }
}

fn sampler(file: &ConfigFile, class: &Class, notes: &mut Notes<'_>) -> Result<Named, Error> {
    let Some(sampler) = class.sampler else { return Ok(None) };
    let said = |sampler| Ok(Some(Said::new(sampler, "scheduler_config.json _class_name")));
    match sampler {
        "dpmpp_2m" => dpm_solver(file, notes).map(Some),
        "uni_pc" => {
            let order = file.size("solver_order", Some(2), 1..=9)?;
            let kind = file.text("solver_type")?.unwrap_or("bh2");
            if (order, kind) != (3, "bh1") {
                let kind = crate::safetensors::one_line(kind);
                notes.sampler(format!(
                    "it asks for UniPC of order {order} with {kind}; uni_pc here is of order 3 with bh1"
                ));
            }
            uni_pc(file, notes)?;
            said(sampler)
        }
        _ => said(sampler),
    }
}

/// Keys that change what UniPC computes.
fn uni_pc(file: &ConfigFile, notes: &mut Notes<'_>) -> Result<(), Error> {
    if !file.flag("predict_x0", true)? {
        notes.sampler("it asks for predict_x0 false, which Emberline does not have");
    }
    if file.get("disable_corrector").is_some_and(|steps| steps.as_array().is_none_or(|steps| !steps.is_empty())) {
        notes.sampler("it asks for disable_corrector; uni_pc here corrects every step");
    }
    if file.get("solver_p").is_some() {
        notes.sampler("it asks for another solver as solver_p, which Emberline does not have");
    }
    Ok(())
}

/// DPMSolverMultistepScheduler corresponds to several samplers.
fn dpm_solver(file: &ConfigFile, notes: &mut Notes<'_>) -> Result<Said<&'static str>, Error> {
    let algorithm = file.text("algorithm_type")?;
    let sampler = match algorithm {
        None | Some("dpmsolver++" | "dpmsolver") => "dpmpp_2m",
        Some("sde-dpmsolver++" | "sde-dpmsolver") => "dpmpp_2m_sde",
        Some(_) => return Err(file.bad("algorithm_type", "dpmsolver++ or sde-dpmsolver++")),
    };
    if let Some(algorithm @ ("dpmsolver" | "sde-dpmsolver")) = algorithm {
        notes.sampler(format!("it asks for {algorithm}; {sampler} here is {algorithm}++"));
    }
    let order = file.size("solver_order", Some(2), 1..=9)?;
    if order != 2 {
        notes.sampler(format!("it asks for a solver of order {order}; {sampler} here is of order 2"));
    }
    if file.text("solver_type")?.is_some_and(|kind| kind != "midpoint") {
        notes.sampler(format!("it asks for another solver_type than midpoint, which is what {sampler} is here"));
    }
    let source = match algorithm {
        None => "scheduler_config.json _class_name",
        Some(_) => "scheduler_config.json _class_name and algorithm_type",
    };
    Ok(Said::new(sampler, source))
}

fn schedule(file: &ConfigFile, class: &Class, notes: &mut Notes<'_>) -> Result<Said<&'static str>, Error> {
    if class.grid == Grid::Continuous {
        return continuous(file, class, notes);
    }
    let (spacing, source) = spacing(file, class)?;
    if class.grid == Grid::Distilled {
        let timesteps = file.size("original_inference_steps", Some(50), 1..=1000)?;
        if timesteps != 50 {
            notes.schedule(format!("it asks for original_inference_steps {timesteps}; lcm here is for 50"));
        }
        return Ok(Said::new("lcm", "scheduler_config.json _class_name"));
    }
    let mut converted = None;
    for (key, name) in CONVERSIONS.into_iter().rev().filter(|_| class.converts_sigmas) {
        if file.flag(key, false)? {
            converted = Some((key, name));
        }
    }
    if file.flag("use_lu_lambdas", false)? && converted.is_none_or(|(_, name)| name != "karras") {
        notes.schedule("it asks for use_lu_lambdas, which Emberline does not have");
    }
    let Some((key, name)) = converted else { return Ok(spaced(class, spacing, source, notes)) };
    if name == "beta" {
        notes.schedule("diffusers spreads use_beta_sigmas over sigmas; beta here, as in ComfyUI, over timesteps");
    } else if file.get("sigma_min").is_some() || file.get("sigma_max").is_some() {
        notes.schedule(format!("it sets sigma_min or sigma_max; {name} here runs over the model's own sigmas"));
    } else if class.grid == Grid::Points && spacing != TimestepSpacing::Linspace {
        let spacing = spacing_name(spacing);
        notes.schedule(format!(
            "{} with {spacing} runs {name} between the ends of {spacing}; {name} here runs over the model's whole range",
            class.name
        ));
    }
    Ok(Said::new(name, format!("scheduler_config.json {key}")))
}

/// The schedule of an EDM class.
fn continuous(file: &ConfigFile, class: &Class, notes: &mut Notes<'_>) -> Result<Said<&'static str>, Error> {
    let said = file.text("sigma_schedule")?;
    let name = match said {
        None | Some("karras") => "karras",
        Some("exponential") => "exponential",
        Some(_) => return Err(file.bad("sigma_schedule", "karras or exponential")),
    };
    let rho = file.number("rho", 7.0)?;
    if name == "karras" && rho != 7.0 {
        notes.schedule(format!("it asks for rho {rho}; karras here has 7"));
    }
    Ok(match said {
        Some(_) => Said::new(name, "scheduler_config.json sigma_schedule"),
        None => Said::new(name, format!("the default sigma_schedule of {}", class.name)),
    })
}

/// The schedule that corresponds to a class and spacing.
fn spaced(class: &Class, spacing: TimestepSpacing, source: String, notes: &mut Notes<'_>) -> Said<&'static str> {
    match (class.grid, spacing) {
        (Grid::Multistep, TimestepSpacing::Linspace) => {
            let class = class.name;
            notes.schedule(format!("{class} rounds linspace to whole timesteps; sgm_uniform here is the same without"));
            Said::new("sgm_uniform", source)
        }
        (Grid::Multistep, TimestepSpacing::Leading) => {
            let class = class.name;
            notes.schedule(format!("{class} leaves out the lowest of leading's timesteps; leading here has it"));
            Said::new("leading", source)
        }
        (Grid::Whole, TimestepSpacing::Linspace) => {
            notes.schedule(format!("{} rounds linspace to whole timesteps; linspace here does not", class.name));
            Said::new("linspace", source)
        }
        _ => Said::new(spacing_name(spacing), source),
    }
}

/// The spacing and its source; by default the class' own.
fn spacing(file: &ConfigFile, class: &Class) -> Result<(TimestepSpacing, String), Error> {
    let default = Defaults::of(class.name).timestep_spacing;
    // The single-step solver of diffusers ignores the key.
    let said = file.text("timestep_spacing")?.filter(|_| class.name != "DPMSolverSinglestepScheduler");
    Ok(match said {
        Some("leading") => (TimestepSpacing::Leading, SPACING.to_owned()),
        Some("linspace") => (TimestepSpacing::Linspace, SPACING.to_owned()),
        Some("trailing") => (TimestepSpacing::Trailing, SPACING.to_owned()),
        Some(_) => return Err(file.bad("timestep_spacing", "leading, linspace or trailing")),
        None => (default, format!("the default timestep_spacing of {}", class.name)),
    })
}

fn spacing_name(spacing: TimestepSpacing) -> &'static str {
    match spacing {
        TimestepSpacing::Leading => "leading",
        TimestepSpacing::Linspace => "linspace",
        TimestepSpacing::Trailing => "trailing",
    }
}

fn spacing_named(name: &str) -> Option<&'static str> {
    ["leading", "linspace", "trailing"].into_iter().find(|known| *known == name)
}

/// -ln(sigma) at SDXL's last training step, sigma 14.61: values below cut nothing off.
const LEAST_LAMBDA: f64 = -2.682;

/// Other keys that change a picture. Each is checked only if the class reads it.
fn endings(file: &ConfigFile, class: Option<&Class>, notes: &mut Notes<'_>) -> Result<(), Error> {
    let name = class.map_or("", |class| class.name);
    let multistep = class.is_some_and(|class| class.grid == Grid::Multistep);
    let continuous = class.is_some_and(|class| class.grid == Grid::Continuous);
    if (multistep || continuous || name == "EulerDiscreteScheduler")
        && file.text("final_sigmas_type")? == Some("sigma_min")
    {
        notes.schedule("it asks for final_sigmas_type sigma_min; schedules here end at 0");
    }
    if name == "EulerDiscreteScheduler" && file.text("interpolation_type")?.is_some_and(|kind| kind != "linear") {
        notes.schedule("it asks for another interpolation_type than linear, which Emberline does not have");
    }
    if name == "DDIMScheduler" && !file.flag("set_alpha_to_one", true)? {
        notes.schedule("it asks for set_alpha_to_one false; schedules here end at 0");
    }
    if multistep && file.flag("use_flow_sigmas", false)? {
        return Err(file.bad("use_flow_sigmas", "false: SDXL is no flow-matching model"));
    }
    if name.starts_with("DPMSolver") && multistep && file.number("lambda_min_clipped", LEAST_LAMBDA)? > LEAST_LAMBDA {
        notes.schedule("it asks for lambda_min_clipped; schedules here begin at the model's last timestep");
    }
    // diffusers' defaults of the key differ.
    let clips_by_default = matches!(name, "DDIMScheduler" | "DDPMScheduler");
    let clips = clips_by_default || matches!(name, "LCMScheduler" | "TCDScheduler");
    if (clips || name == "HeunDiscreteScheduler") && file.flag("clip_sample", clips_by_default)? {
        notes.sampler("it asks for clip_sample, which Emberline does not do");
    }
    if (clips || multistep) && file.flag("thresholding", false)? {
        notes.sampler("it asks for thresholding, which Emberline does not do");
    }
    let small = ["fixed_small", "fixed_small_log"].map(Value::from);
    if name == "DDPMScheduler" && file.get("variance_type").is_some_and(|kind| !small.contains(kind)) {
        notes.sampler("it asks for another variance_type than fixed_small, which is what ddpm is here");
    }
    Ok(())
}
