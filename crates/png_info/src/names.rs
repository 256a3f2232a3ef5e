//! The table of names: samplers and schedules of other programs, and their names in Emberline.
//!
//! Emberline uses ComfyUI's names. Until version 1.9 A1111 combined sampler and schedule (`DPM++ 2M Karras`); since
//! then it names them separately (`Sampler: DPM++ 2M, Schedule type: Karras`). InvokeAI marks Karras schedules by `_k`;
//! NovelAI and InvokeAI 2 mark k-diffusion's samplers by `k_`. Names are compared in lower case, with `_` and `-` as
//! spaces. A name that is not in the table may be a sampler's name followed by a schedule's name. The table is
//! published in docs/records.md.

/// Sampler names of other programs, in lower case with single spaces, and the names in Emberline.
pub const SAMPLERS: &[(&str, &str)] = &[
    // A1111, Forge, SD.Next, Draw Things; also ComfyUI's names that are the same
    ("euler", "euler"),
    ("euler a", "euler_ancestral"),
    ("heun", "heun"),
    ("dpm2", "dpm_2"),
    ("dpm2 a", "dpm_2_ancestral"),
    ("lms", "lms"),
    ("dpm++ 2s a", "dpmpp_2s_ancestral"),
    ("dpm++ 2m", "dpmpp_2m"),
    ("dpm++ 2m sde", "dpmpp_2m_sde"),
    ("dpm++ 3m sde", "dpmpp_3m_sde"),
    ("dpm++ sde", "dpmpp_sde"),
    ("ddim", "ddim"),
    ("unipc", "uni_pc"),
    ("lcm", "lcm"),
    ("tcd", "tcd"),
    ("ddpm", "ddpm"),
    // ComfyUI, SwarmUI, Fooocus
    ("euler ancestral", "euler_ancestral"),
    ("dpm 2", "dpm_2"),
    ("dpm 2 ancestral", "dpm_2_ancestral"),
    ("dpmpp 2s ancestral", "dpmpp_2s_ancestral"),
    ("dpmpp 2m", "dpmpp_2m"),
    ("dpmpp 2m sde", "dpmpp_2m_sde"),
    ("dpmpp 2m sde gpu", "dpmpp_2m_sde"),
    ("dpmpp 3m sde", "dpmpp_3m_sde"),
    ("dpmpp 3m sde gpu", "dpmpp_3m_sde"),
    ("dpmpp sde", "dpmpp_sde"),
    ("dpmpp sde gpu", "dpmpp_sde"),
    ("uni pc", "uni_pc"),
    ("samplereulerancestral", "euler_ancestral"),
    ("samplerlms", "lms"),
    ("samplerdpmpp 2m sde", "dpmpp_2m_sde"),
    ("samplerdpmpp 3m sde", "dpmpp_3m_sde"),
    ("samplerdpmpp sde", "dpmpp_sde"),
    // InvokeAI, Easy Diffusion; with the prefix `k ` InvokeAI 2 and NovelAI
    ("kdpm 2", "dpm_2"),
    ("kdpm 2 a", "dpm_2_ancestral"),
    ("dpm 2 a", "dpm_2_ancestral"),
    ("dpmpp 2", "dpmpp_2m"),
    ("dpmpp 2s a", "dpmpp_2s_ancestral"),
    ("ddim v3", "ddim"),
    // stable-diffusion.cpp
    ("dpm++2s a", "dpmpp_2s_ancestral"),
    ("dpm++2m", "dpmpp_2m"),
    // diffusers
    ("eulerdiscretescheduler", "euler"),
    ("eulerancestraldiscretescheduler", "euler_ancestral"),
    ("heundiscretescheduler", "heun"),
    ("kdpm2discretescheduler", "dpm_2"),
    ("kdpm2ancestraldiscretescheduler", "dpm_2_ancestral"),
    ("lmsdiscretescheduler", "lms"),
    ("dpmsolvermultistepscheduler", "dpmpp_2m"),
    ("dpmsolversdescheduler", "dpmpp_sde"),
    ("ddimscheduler", "ddim"),
    ("ddpmscheduler", "ddpm"),
    ("unipcmultistepscheduler", "uni_pc"),
    ("lcmscheduler", "lcm"),
    ("tcdscheduler", "tcd"),
];

/// Schedule names of other programs, in lower case with single spaces, and the names in Emberline.
pub const SCHEDULES: &[(&str, &str)] = &[
    // ComfyUI, and A1111's names that are the same
    ("normal", "normal"),
    ("karras", "karras"),
    ("exponential", "exponential"),
    ("sgm uniform", "sgm_uniform"),
    ("simple", "simple"),
    ("ddim uniform", "ddim_uniform"),
    ("beta", "beta"),
    ("leading", "leading"),
    ("linspace", "linspace"),
    ("trailing", "trailing"),
    ("lcm", "lcm"),
    // A1111: k-diffusion's evenly spaced times, its polyexponential with rho 1, and its name for ddim_uniform
    ("uniform", "normal"),
    ("polyexponential", "exponential"),
    ("sgmuniform", "sgm_uniform"),
    ("ddim", "ddim_uniform"),
    // NovelAI, stable-diffusion.cpp
    ("native", "normal"),
    ("discrete", "normal"),
    // InvokeAI, at the end of a sampler's name
    ("k", "karras"),
    // ComfyUI's nodes for a single schedule
    ("karrasscheduler", "karras"),
    ("exponentialscheduler", "exponential"),
];

/// The schedule that A1111's `Automatic` selects for a sampler; `normal` for samplers that are not listed.
const AUTOMATIC: &[(&str, &str)] = &[
    ("dpmpp_2m", "karras"),
    ("dpmpp_sde", "karras"),
    ("dpmpp_2s_ancestral", "karras"),
    ("dpm_2", "karras"),
    ("dpm_2_ancestral", "karras"),
    ("dpmpp_2m_sde", "exponential"),
    ("dpmpp_3m_sde", "exponential"),
    ("ddim", "ddim_uniform"),
];

/// Emberline's name of a sampler, and the schedule contained in the other program's name.
pub fn sampler(theirs: &str) -> Option<(&'static str, Option<&'static str>)> {
    let name = normalized(theirs);
    let name = name.strip_prefix("k ").unwrap_or(&name);
    if let Some(ours) = find(SAMPLERS, name) {
        return Some((ours, None));
    }
    SCHEDULES.iter().find_map(|(ending, schedule)| {
        let sampler = name.strip_suffix(ending)?.strip_suffix(' ')?;
        Some((find(SAMPLERS, sampler)?, Some(*schedule)))
    })
}

/// Emberline's name of a schedule.
pub fn schedule(theirs: &str) -> Option<&'static str> {
    find(SCHEDULES, &normalized(theirs))
}

/// Whether a schedule's name means that the sampler determines it.
pub(crate) fn is_automatic(theirs: &str) -> bool {
    matches!(normalized(theirs).as_str(), "automatic" | "default")
}

/// The schedule that A1111 and Forge select automatically for a sampler.
pub(crate) fn automatic_schedule(sampler: &str) -> &'static str {
    find(AUTOMATIC, sampler).unwrap_or("normal")
}

/// The schedule of a record that names none: k-diffusion's evenly spaced one, which A1111 does not write. DDIM is not
/// one of k-diffusion's samplers and has its own.
pub(crate) fn even_schedule(sampler: &str) -> &'static str {
    if sampler == "ddim" { "ddim_uniform" } else { "normal" }
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}

fn normalized(name: &str) -> String {
    let spaced = name.to_lowercase().replace(['_', '-'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_name_is_a_sampler_and_a_schedule() {
        for (theirs, ours, scheduler) in [
            ("DPM++ 2M Karras", "dpmpp_2m", Some("karras")),
            ("DPM++ 2M SDE Exponential", "dpmpp_2m_sde", Some("exponential")),
            ("DPM++ 3M SDE Karras", "dpmpp_3m_sde", Some("karras")),
            ("DPM2 a Karras", "dpm_2_ancestral", Some("karras")),
            ("LMS Karras", "lms", Some("karras")),
            ("DPM++ 2S a", "dpmpp_2s_ancestral", None),
            ("Euler a", "euler_ancestral", None),
            ("dpmpp_2m_sde_k", "dpmpp_2m_sde", Some("karras")),
            ("euler_k", "euler", Some("karras")),
            ("k_dpmpp_2s_ancestral", "dpmpp_2s_ancestral", None),
            ("k_euler_a", "euler_ancestral", None),
            ("dpmpp_2m_sde_gpu", "dpmpp_2m_sde", None),
            ("euler_a karras", "euler_ancestral", Some("karras")),
            ("EulerAncestralDiscreteScheduler", "euler_ancestral", None),
            ("uni_pc", "uni_pc", None),
            ("Euler SGM Uniform", "euler", Some("sgm_uniform")),
        ] {
            assert_eq!(sampler(theirs), Some((ours, scheduler)), "{theirs}");
        }
        for unknown in ["Restart", "DPM fast", "PLMS", "DPM++ 2M SDE Heun", "dpmpp_2s", "uni_pc_bh2", "Karras", "k", ""]
        {
            assert_eq!(sampler(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_name_in_the_table_is_normal_and_unique() {
        for table in [SAMPLERS, SCHEDULES] {
            for (place, (name, _)) in table.iter().enumerate() {
                assert_eq!(normalized(name), *name);
                assert!(!table[..place].iter().any(|(other, _)| other == name), "{name}");
            }
        }
    }

    #[test]
    fn schedules_have_the_names_of_every_program() {
        for (theirs, ours) in [
            ("Karras", "karras"),
            ("SGM Uniform", "sgm_uniform"),
            ("DDIM", "ddim_uniform"),
            ("ddim_uniform", "ddim_uniform"),
            ("Uniform", "normal"),
            ("native", "normal"),
            ("leading", "leading"),
        ] {
            assert_eq!(schedule(theirs), Some(ours), "{theirs}");
        }
        assert_eq!(schedule("Align Your Steps"), None);
        assert!(is_automatic("Automatic") && !is_automatic("Karras"));
        assert_eq!(automatic_schedule("dpmpp_2m"), "karras");
        assert_eq!(automatic_schedule("euler"), "normal");
    }
    #[test]
    fn the_published_table_is_this_one() {
        let published = include_str!("../../../docs/records.md");
        let rows = published.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let names = rows.flat_map(|(ours, theirs)| {
            let names = theirs.trim_end_matches(" |").split(", ").map(|name| name.trim_matches('`'));
            names.map(move |name| (name, ours))
        });
        let mut published: Vec<(&str, &str)> = names.collect();
        let mut own: Vec<(&str, &str)> = [SAMPLERS, SCHEDULES].concat();
        published.sort_unstable();
        own.sort_unstable();
        assert_eq!(published, own);
    }
}
