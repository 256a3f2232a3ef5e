//! What a file is for, by the names of its folders: ComfyUI's and A1111's layouts.

use protocol::LibraryKind;

/// Folder names in lower case. UNet folders hold parts of checkpoints; they are listed with the reason why a file cannot be
/// used alone.
const FOLDERS: [(&str, LibraryKind); 15] = [
    ("checkpoints", LibraryKind::Checkpoint),
    ("stable-diffusion", LibraryKind::Checkpoint),
    ("diffusion_models", LibraryKind::Checkpoint),
    ("unet", LibraryKind::Checkpoint),
    ("loras", LibraryKind::Lora),
    ("lora", LibraryKind::Lora),
    ("lycoris", LibraryKind::Lora),
    ("embeddings", LibraryKind::Embedding),
    ("vae", LibraryKind::Vae),
    ("upscale_models", LibraryKind::Upscaler),
    ("esrgan", LibraryKind::Upscaler),
    ("realesrgan", LibraryKind::Upscaler),
    ("swinir", LibraryKind::Upscaler),
    ("dat", LibraryKind::Upscaler),
    ("hat", LibraryKind::Upscaler),
];

/// The kind that a folder's name gives to the files in it and below it.
pub(crate) fn of_folder(name: &str) -> Option<LibraryKind> {
    FOLDERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
}

/// Whether a file with this extension may be a model. Pickles with common extensions are listed only in folders of a known
/// kind: elsewhere a `.bin` or `.pt` may be anything.
pub(crate) fn is_model(extension: &str, in_known_folder: bool) -> bool {
    let is = |known: &[&str]| known.iter().any(|known| extension.eq_ignore_ascii_case(known));
    is(&["safetensors", "sft", "ckpt", "gguf"]) || (in_known_folder && is(&["pt", "pth", "bin"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_known_in_any_case() {
        assert_eq!(of_folder("Stable-diffusion"), Some(LibraryKind::Checkpoint));
        assert_eq!(of_folder("checkpoints"), Some(LibraryKind::Checkpoint));
        assert_eq!(of_folder("Lora"), of_folder("loras"));
        assert_eq!(of_folder("ESRGAN"), of_folder("upscale_models"));
        assert_eq!(of_folder("VAE"), Some(LibraryKind::Vae));
        assert_eq!(of_folder("characters"), None);
        assert!(is_model("SafeTensors", false) && is_model("pt", true));
        assert!(!is_model("pt", false) && !is_model("png", true));
    }
}
