//! LoRA files of `--lora`.

use super::GenerateArgs;
use crate::commands::model::ModelChoice;
use anyhow::{Context, Result, bail};
use checkpoint::LoraFile;
use generation::{Lora, Loras, nearest};
use library::{Library, Shelf};
use prompt::networks::networks;
use protocol::LibraryKind;
use sdxl::LoraUse;
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

/// Folders for LoRA files, beside a checkpoint or beside its folder: ComfyUI's and A1111's names.
const FOLDERS: [&str; 2] = ["loras", "Lora"];
/// Hexadecimal digits of the hash that A1111 and Civitai show.
const HASH_DIGITS: usize = 12;

/// Value of `--lora`: `NAME_OR_PATH[:UNET[:TEXT]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraArg {
    name: String,
    unet_weight: f64,
    text_weight: Option<f64>,
}

impl FromStr for LoraArg {
    type Err = Infallible;

    /// Only numbers at the end are weights, because a path can contain colons: `C:\loras\ink.safetensors:0.7`.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let weight = |text: &str| text.parse::<f64>().ok();
        let split = |text: &str| -> Option<(String, f64)> {
            let (rest, last) = text.rsplit_once(':')?;
            Some((rest.to_owned(), weight(last)?)).filter(|_| !rest.is_empty())
        };
        let Some((rest, last)) = split(text) else {
            return Ok(Self { name: text.to_owned(), unet_weight: 1.0, text_weight: None });
        };
        Ok(match split(&rest) {
            Some((name, unet_weight)) => Self { name, unet_weight, text_weight: Some(last) },
            None => Self { name: rest, unet_weight: last, text_weight: None },
        })
    }
}

/// The files of a run: as recorded in the picture, and open.
#[derive(Debug, Default)]
pub struct Opened {
    pub recorded: Loras,
    pub uses: Vec<LoraUse>,
}

/// Finds and opens the files of `--lora`, and those that only the prompt names, and computes their hashes. Names are
/// looked up in the library of `--models`, as the server does, then near the model.
///
/// # Errors
/// A file that is not found or cannot be read, or weights out of range.
pub fn open(args: &GenerateArgs, library: &Library) -> Result<Opened> {
    let shelf = library.shelf();
    let tagged = networks(&args.prompt, args.prompt_syntax).1.into_iter().map(LoraArg::from);
    let mut opened = Opened::default();
    for (place, arg) in args.lora.iter().cloned().chain(tagged).enumerate() {
        let option = if place < args.lora.len() { "--lora" } else { "the prompt's LoRA" };
        let Found { path, name } =
            find(&arg.name, &args.model, &shelf).with_context(|| format!("{option} {}", arg.name))?;
        let named = || format!("{option} {}", path.display());
        let file = LoraFile::open(&path).with_context(named)?;
        let mut hash = file.auto_v3().with_context(named)?;
        hash.truncate(HASH_DIGITS);
        let lora = Lora { name, unet_weight: arg.unet_weight, text_weight: arg.text_weight, hash: Some(hash) };
        if place >= args.lora.len() && opened.recorded.iter().any(|other| other.name == lora.name) {
            continue;
        }
        let (unet_weight, text_weight) = (lora.unet_weight, lora.text_weight());
        opened.uses.push(LoraUse { file: Arc::new(file), unet_weight, text_weight });
        opened.recorded.0.push(lora);
    }
    if let Some(error) = opened.recorded.error() {
        bail!("--lora {error}");
    }
    Ok(opened)
}

impl From<Lora> for LoraArg {
    fn from(Lora { name, unet_weight, text_weight, .. }: Lora) -> Self {
        Self { name, unet_weight, text_weight }
    }
}

/// A file, with the name under which it is recorded.
#[derive(Debug, PartialEq)]
struct Found {
    path: PathBuf,
    /// Its name in the library, otherwise the file's without its extension.
    name: String,
}

impl Found {
    fn at(path: PathBuf) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { path, name }
    }
}

/// A file: by its path as given, by its name in the library, or by its file name in the model's folder or in one of the folders
/// for LoRA files near it.
fn find(name: &str, model: &ModelChoice, shelf: &Shelf) -> Result<Found> {
    let given = Path::new(name);
    if given.is_file() {
        return Ok(Found::at(given.to_owned()));
    }
    if let Some(entry) = shelf.named(LibraryKind::Lora, name) {
        return match &entry.item.problem {
            Some(problem) => bail!("{problem}"),
            None => Ok(Found { path: entry.path.clone(), name: entry.item.name.clone() }),
        };
    }
    let folders = folders(model);
    let names = [name.to_owned(), format!("{name}.safetensors")];
    let candidates = folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    if let Some(path) = candidates.into_iter().find(|path| path.is_file()) {
        return Ok(Found::at(path));
    }
    let usable = shelf.of_kind(LibraryKind::Lora).filter(|entry| entry.item.problem.is_none());
    let near = nearest(name, usable.map(|entry| entry.item.name.as_str()));
    let near = near.map(|near| format!("; the nearest in --models is \"{near}\"")).unwrap_or_default();
    match folders.is_empty() {
        true => bail!("there is no such file{near}"),
        false => {
            let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            bail!("there is no such file, also not in {}{near}", searched.join(", "))
        }
    }
}

/// Folders in which a name is looked up, if they exist.
fn folders(model: &ModelChoice) -> Vec<PathBuf> {
    let ModelChoice::Path(path) = model else { return Vec::new() };
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let beside = parent(path);
    let above = beside.as_deref().and_then(parent);
    let own = path.is_dir().then(|| path.clone());
    let near = own.into_iter().chain(beside).chain(above);
    let all = near
        .flat_map(|folder| FOLDERS.iter().map(|name| folder.join(name)).chain([folder.clone()]).collect::<Vec<_>>());
    all.filter(|folder| folder.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, f64, Option<f64>) {
        let arg: LoraArg = text.parse().expect("any text is a name");
        (arg.name, arg.unet_weight, arg.text_weight)
    }

    #[test]
    fn only_numbers_at_the_end_are_weights() {
        let named = |name: &str, unet: f64, text: Option<f64>| (name.to_owned(), unet, text);
        assert_eq!(read("ink"), named("ink", 1.0, None));
        assert_eq!(read("ink:0.7"), named("ink", 0.7, None));
        assert_eq!(read("ink:0.7:-0.5"), named("ink", 0.7, Some(-0.5)));
        assert_eq!(read(r"C:\loras\ink.safetensors"), named(r"C:\loras\ink.safetensors", 1.0, None));
        assert_eq!(read(r"C:\loras\ink.safetensors:0.7:0"), named(r"C:\loras\ink.safetensors", 0.7, Some(0.0)));
        assert_eq!(read("a:b"), named("a:b", 1.0, None));
        assert_eq!(read("a:b:2"), named("a:b", 2.0, None));
        assert_eq!(read(":2"), named(":2", 1.0, None));
    }

    #[test]
    fn a_name_is_found_near_the_model() {
        let root = tempfile::tempdir().expect("a folder");
        let (checkpoints, loras) = (root.path().join("checkpoints"), root.path().join("loras"));
        std::fs::create_dir(&checkpoints).expect("created");
        std::fs::create_dir(&loras).expect("created");
        std::fs::write(loras.join("ink.safetensors"), []).expect("written");
        std::fs::write(checkpoints.join("wash.safetensors"), []).expect("written");
        let model = ModelChoice::Path(checkpoints.join("model.safetensors"));
        let shelf = Shelf::default();
        let found = |name: &str| find(name, &model, &shelf).expect("found").path;
        assert_eq!(found("ink"), loras.join("ink.safetensors"));
        assert_eq!(found("wash.safetensors"), checkpoints.join("wash.safetensors"));
        let error = find("none", &model, &shelf).expect_err("there is none").to_string();
        assert!(error.starts_with("there is no such file, also not in"), "{error}");
        assert!(find("none", &ModelChoice::Starter, &shelf).is_err());
    }

    /// A safetensors file with one LoRA layer of SDXL, all zeros.
    fn write_lora(path: &Path, metadata: &str) {
        let at = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
        let header = format!(
            r#"{{"__metadata__":{{{metadata}}},"{at}.lora_down.weight":{{"dtype":"F32","shape":[1,640],"data_offsets":[0,2560]}},"{at}.lora_up.weight":{{"dtype":"F32","shape":[640,1],"data_offsets":[2560,5120]}}}}"#
        );
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 5120]].concat();
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, bytes).expect("written");
    }

    #[test]
    fn a_name_is_the_librarys_as_on_a_server() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |file: &str| root.path().join(file);
        write_lora(&at("loras/x/ink.safetensors"), "");
        write_lora(&at("loras/y/ink.safetensors"), "");
        write_lora(&at("loras/deep/wash_v2.safetensors"), r#""ss_output_name":"wash""#);
        let library = crate::commands::library::scanned(&[root.path().to_owned()], &Default::default());
        let shelf = library.shelf();
        let found = |name: &str| find(name, &ModelChoice::Starter, &shelf);
        for (name, file, recorded) in [
            ("wash_v2", "loras/deep/wash_v2.safetensors", "wash_v2"),
            ("wash", "loras/deep/wash_v2.safetensors", "wash_v2"),
            ("loras/y/ink", "loras/y/ink.safetensors", "loras/y/ink"),
        ] {
            assert_eq!(found(name).expect("found"), Found { path: at(file), name: recorded.to_owned() });
        }
        assert!(found("ink").is_err(), "two files have this name");
        let error = found("wash_v3").expect_err("there is none").to_string();
        assert_eq!(error, "there is no such file; the nearest in --models is \"wash_v2\"");
    }
}
