//! The front end: compiled for WASM by cargo, bound to JavaScript by the library behind wasm-bindgen's
//! command, so that one lock file pins both halves; style and public files beside it.

use crate::{compress, machine, process, workspace::Workspace};
use anyhow::{Context, Result, anyhow, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wasm_bindgen_cli_support::Bindgen;
use wasm_encoder::RawSection;
use wasmparser::Payload;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "wasm-release";
/// What the pages ask for: `/pkg/emberline.js`, `/pkg/emberline_bg.wasm`, `/pkg/emberline.css`.
const OUT_NAME: &str = "emberline";
/// The front end's feature that splits pages into separate files.
const SPLIT: &str = "split";

/// Builds the hydrating front end into `<target>/site`.
pub fn site(workspace: &Workspace) -> Result<()> {
    let site = workspace.site();
    build(workspace, SPLIT, &site)?;
    for name in [format!("{OUT_NAME}.js"), format!("{OUT_NAME}_bg.wasm")] {
        let kilobytes = |name: &str| fs::metadata(site.join("pkg").join(name)).map_or(0, |file| file.len() / 1000);
        println!("{name}: {} kB, brotli {} kB", kilobytes(&name), kilobytes(&format!("{name}.br")));
    }
    Ok(())
}

/// Builds the client-side-rendered front end into `<target>/csr`, as `trunk build` would.
pub fn csr(workspace: &Workspace) -> Result<()> {
    let folder = workspace.csr();
    build(workspace, "csr", &folder)?;
    let page = fs::read_to_string(workspace.root.join("frontend/index.html")).context("frontend/index.html")?;
    fs::write(folder.join("index.html"), without_trunk(&page)?).context("cannot write the page")
}

fn build(workspace: &Workspace, feature: &str, out: &Path) -> Result<()> {
    machine::wasm_target(workspace)?;
    let arguments = [
        "rustc",
        "--locked",
        "--package",
        "frontend",
        "--lib",
        "--crate-type",
        "cdylib",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
        "--features",
        feature,
    ];
    let mut cargo = workspace.cargo(&arguments);
    if feature == SPLIT {
        // The splitter follows who calls whom by the linker's relocations. And a function is inlined only where that makes the
        // module smaller: 2.5 kB of what is sent.
        cargo.args(["--", "-Clink-arg=--emit-relocs", "-Cllvm-args=-inline-threshold=0"]);
    }
    process::run(&mut cargo)?;

    // Built beside the old site: a failed build leaves the old one complete.
    let fresh = out.with_extension("new");
    clear(&fresh)?;
    let package = fresh.join("pkg");
    fs::create_dir_all(&package).context("cannot make the package folder")?;
    let mut module = workspace.target.join(TARGET).join(PROFILE).join("frontend.wasm");
    if feature == SPLIT {
        module = split(&module, &package)?;
    }
    Bindgen::new()
        .input_path(module)
        .out_name(OUT_NAME)
        .keep_lld_exports(feature == SPLIT)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&package)
        .context("wasm-bindgen")?;
    let style = style_sheet(&workspace.root.join("style/main.css"))?;
    fs::write(package.join(format!("{OUT_NAME}.css")), style).context("cannot write the style sheet")?;
    copy_folder(&workspace.root.join("public"), &fresh)?;
    compress::folder(&fresh)?;
    replace_if_changed(&fresh, out)
}

/// Writes the lazily loaded parts and the script that loads them into the package folder. Returns the path of the
/// main module, which wasm-bindgen processes next.
fn split(module: &Path, package: &Path) -> Result<PathBuf> {
    let whole = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let (rest, script) = (module.with_file_name("frontend-split.wasm"), format!("./{OUT_NAME}.js"));
    let mut options = wasm_split_cli_support::Options::new(&whole);
    options.output_dir = package;
    options.main_out_path = &rest;
    options.main_module = &script;
    let parts = wasm_split_cli_support::transform(options).map_err(|error| anyhow!("wasm-split: {error:#}"))?;
    for part in parts.split_modules {
        fs::write(&part, nameless(&fs::read(&part)?)?).with_context(|| format!("cannot write {}", part.display()))?;
    }
    Ok(rest)
}

/// Removes the function names, which are two fifths of a module and only for debuggers. wasm-bindgen removes them
/// from the main module.
fn nameless(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let payload = payload?;
        let is_name = matches!(&payload, Payload::CustomSection(section) if section.name() == "name");
        if let (Some((id, range)), false) = (payload.as_section(), is_name) {
            let data = &module[usize::try_from(range.start)?..usize::try_from(range.end)?];
            kept.section(&RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

/// One style sheet from `main.css` and what it imports: `@import "name.css";`, a line each.
fn style_sheet(path: &Path) -> Result<String> {
    let source = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut out = String::new();
    for line in source.lines() {
        match line.trim().strip_prefix("@import \"").and_then(|rest| rest.strip_suffix("\";")) {
            Some(name) => out += &style_sheet(&path.with_file_name(name))?,
            None if line.trim_start().starts_with("@import") => {
                bail!("{}: an import must be one line, `@import \"name.css\";`: {line}", path.display())
            }
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    Ok(out)
}

/// `index.html` with trunk's directives replaced by the tags that trunk generates.
fn without_trunk(page: &str) -> Result<String> {
    let mut out = String::new();
    let mut started = false;
    for line in page.lines() {
        if line.contains("data-trunk") {
            if line.contains("rel=\"rust\"") {
                started = true;
                out += &format!(
                    "<link rel=\"stylesheet\" href=\"/pkg/{OUT_NAME}.css\">\n<script type=\"module\">import init from \
                     \"/pkg/{OUT_NAME}.js\"; init({{ module_or_path: \"/pkg/{OUT_NAME}_bg.wasm\" }});</script>\n"
                );
            }
        } else {
            out += line;
            out.push('\n');
        }
    }
    if !started {
        bail!("frontend/index.html has no line with <link data-trunk rel=\"rust\" ...>");
    }
    Ok(out)
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot clear {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

/// Replaces the old folder by the new one unless they are equal: an unchanged site does not cause a rebuild of the
/// binary that embeds it.
fn replace_if_changed(fresh: &Path, out: &Path) -> Result<()> {
    if same(fresh, out).unwrap_or(false) {
        return clear(fresh);
    }
    clear(out)?;
    fs::rename(fresh, out).with_context(|| format!("cannot put {} in place", out.display()))
}

fn same(a: &Path, b: &Path) -> Result<bool> {
    let names = |folder: &Path| -> Result<Vec<_>> {
        let mut names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let both = names(a)?;
    if both != names(b)? {
        return Ok(false);
    }
    for name in both {
        let (a, b) = (a.join(&name), b.join(&name));
        let equal = if a.is_dir() { same(&a, &b)? } else { fs::read(a)? == fs::read(b)? };
        if !equal {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_put_where_they_stand() {
        let folder = std::env::temp_dir().join(format!("emberline-style-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("main.css"), "@import \"a.css\";\nmain {}\n").expect("written");
        fs::write(folder.join("a.css"), "a {}\n").expect("written");
        assert_eq!(style_sheet(&folder.join("main.css")).expect("bundled"), "a {}\nmain {}\n");
        fs::write(folder.join("a.css"), "@import url(https://example.com/x.css);\n").expect("written");
        assert!(style_sheet(&folder.join("main.css")).is_err(), "an import that is not bundled must not pass");
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn trunks_directives_become_a_style_sheet_and_a_module() {
        let page = "<head>\n<link data-trunk rel=\"rust\" data-wasm-opt=\"0\">\n<link data-trunk rel=\"css\" href=\"x\">\n</head>";
        let made = without_trunk(page).expect("made");
        assert!(made.contains("/pkg/emberline.js") && made.contains("/pkg/emberline.css") && !made.contains("trunk"));
        assert!(without_trunk("<head></head>").is_err());
    }
}
