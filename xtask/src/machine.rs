//! What the machine needs: installed where possible, otherwise an error that names it.

use crate::{process, workspace::Workspace};
use anyhow::{Context, Result, bail};
use std::{env, fs, path::Path, process::Command};

const WASM: &str = "wasm32-unknown-unknown";

/// The Rust target of the front end.
pub fn wasm_target(workspace: &Workspace) -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM])
        .current_dir(&workspace.root)
        .output()
        .context("cannot start rustc")?;
    if Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).is_dir() {
        return Ok(());
    }
    println!("installing the Rust target {WASM}");
    process::run(Command::new("rustup").args(["target", "add", WASM]).current_dir(&workspace.root))
        .with_context(|| format!("the Rust target {WASM} is missing; install it by `rustup target add {WASM}`"))
}

/// Installs Chromium with fonts, for the browser tests; returns its path.
pub fn chromium() -> Result<String> {
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    install(&["chromium", "fonts-noto-core", "fonts-noto-color-emoji"], "Chromium and fonts")?;
    find_chromium().context("Chromium was installed but is not on PATH; name it by EMBERLINE_CHROMIUM")
}

fn find_chromium() -> Option<String> {
    env::var("EMBERLINE_CHROMIUM").ok().filter(|path| Path::new(path).is_file()).or_else(|| {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names.into_iter().find_map(process::which).map(|path| path.display().to_string())
    })
}

/// A Vulkan driver (lavapipe, in software, where there is no GPU), for the tests of the GPU path.
pub fn vulkan_driver() -> Result<()> {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let present = folders.iter().any(|folder| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()));
    // The loader finds its drivers elsewhere on other systems; wgpu uses Metal or Direct3D there anyway.
    if present || !cfg!(target_os = "linux") {
        return Ok(());
    }
    install(&["mesa-vulkan-drivers", "libvulkan1"], "the software Vulkan driver")
}

/// libclang, which bindgen needs to read C headers: `dist` compiles a crate that uses it.
pub fn libclang() -> Result<()> {
    // Elsewhere it comes with the system's own tools.
    if !cfg!(target_os = "linux") || env::var_os("LIBCLANG_PATH").is_some() {
        return Ok(());
    }
    let llvm = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("lib"));
    let usual = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let names =
        llvm.chain(usual.map(Into::into)).flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let is_libclang =
        |name: &str| name.starts_with("libclang.so") || name.starts_with("libclang-") && !name.contains("cpp");
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    if names.any(|name| is_libclang(&name) && name.contains(".so")) {
        return Ok(());
    }
    install(&["libclang-dev"], "libclang")
}

/// The end-to-end tests' node modules, as the lock file has them.
pub fn node_modules(workspace: &Workspace) -> Result<()> {
    let folder = workspace.root.join("end2end");
    let lock = fs::read(folder.join("package-lock.json")).context("end2end/package-lock.json is missing")?;
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    if process::which("npm").is_none() {
        bail!("npm is missing: the browser tests need Node.js 20 or newer with npm");
    }
    println!("installing the end-to-end tests' node modules");
    process::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    fs::write(&stamp, lock).context("cannot note what was installed")
}

/// Installs distribution packages, or says which ones to install.
fn install(packages: &[&str], what: &str) -> Result<()> {
    let by_hand = format!("{what} is missing; install it by `sudo apt-get install {}`", packages.join(" "));
    if process::which("apt-get").is_none() {
        bail!("{what} is missing, and there is no apt-get here; install your distribution's {}", packages.join(", "));
    }
    let root = process::succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    let prefix: &[&str] = match root {
        true => &[],
        false if process::succeeds(Command::new("sudo").args(["-n", "true"])) => &["sudo", "-n"],
        false => bail!(by_hand),
    };
    println!("installing {what}: {}", packages.join(" "));
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends"][..]] {
        let mut words = prefix.iter().chain(&["apt-get"]).chain(arguments).copied().collect::<Vec<_>>();
        if arguments[0] == "install" {
            words.extend(packages);
        }
        let mut command = Command::new(words[0]);
        process::run(command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive")).context(by_hand.clone())?;
    }
    Ok(())
}
