//! Test files, and the names of SDXL base in diffusers' naming.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Runs `act` and returns the thread's CPU time and the result. Wall time would depend on other load on the machine.
pub fn timed<R>(act: impl FnOnce() -> R) -> (Duration, R) {
    let on_cpu = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
    };
    let (wall, before) = (Instant::now(), on_cpu());
    let result = act();
    (on_cpu().zip(before).map_or_else(|| wall.elapsed(), |(after, before)| after - before), result)
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct T {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

pub fn size_of(dtype: &str) -> usize {
    match dtype {
        "F64" | "I64" => 8,
        "F32" => 4,
        "F16" | "BF16" => 2,
        _ => 1,
    }
}

/// A tensor of zeros.
pub fn zeros(name: &str, dtype: &'static str, shape: &[usize]) -> T {
    let data = vec![0; shape.iter().product::<usize>() * size_of(dtype)];
    T { name: name.into(), dtype, shape: shape.to_vec(), data }
}

/// A tensor of f32 values.
pub fn floats(name: &str, shape: &[usize], numbers: &[f32]) -> T {
    let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    T { name: name.into(), dtype: "F32", shape: shape.to_vec(), data }
}

/// A header that places these tensors one after another.
pub fn header<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a str, &'a [usize])>,
    metadata: &[(&str, &str)],
) -> (String, u64) {
    let mut entries = serde_json::Map::new();
    if !metadata.is_empty() {
        let map: serde_json::Map<_, _> = metadata.iter().map(|&(k, v)| (k.to_owned(), v.into())).collect();
        entries.insert("__metadata__".into(), map.into());
    }
    let mut at = 0;
    for (name, dtype, shape) in tensors {
        let end = at + shape.iter().product::<usize>() as u64 * size_of(dtype) as u64;
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [at, end]});
        entries.insert(name.into(), entry);
        at = end;
    }
    (serde_json::Value::Object(entries).to_string(), at)
}

/// A safetensors file's bytes from the header text and the data.
pub fn file_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// The bytes of a file with these tensors.
pub fn bytes_of(tensors: &[T], metadata: &[(&str, &str)]) -> Vec<u8> {
    let (text, _) = header(tensors.iter().map(|t| (t.name.as_str(), t.dtype, t.shape.as_slice())), metadata);
    let data: Vec<u8> = tensors.iter().flat_map(|t| t.data.iter().copied()).collect();
    file_bytes(&text, &data)
}

/// Writes a file with these tensors.
pub fn write(path: &Path, tensors: &[T]) {
    write_bytes(path, &bytes_of(tensors, &[]));
}

pub fn write_bytes(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a test file is written");
}

/// Writes a sparse file with these tensors: it has the full length but uses no disk space.
pub fn write_sparse(path: &Path, tensors: &[(String, &'static str, Vec<usize>)]) {
    write_sparse_with(path, tensors, &[]);
}

/// Like [`write_sparse`], with metadata.
pub fn write_sparse_with(path: &Path, tensors: &[(String, &'static str, Vec<usize>)], metadata: &[(&str, &str)]) {
    let (text, data) = header(tensors.iter().map(|(n, d, s)| (n.as_str(), *d, s.as_slice())), metadata);
    let mut file = File::create(path).expect("a test file is made");
    file.write_all(&(text.len() as u64).to_le_bytes()).expect("the length is written");
    file.write_all(text.as_bytes()).expect("the header is written");
    file.set_len(8 + text.len() as u64 + data).expect("the file system has sparse files");
}

/// One parameter of SDXL base.
#[derive(Clone, Debug)]
pub struct Name {
    pub part: String,
    pub target: String,
    /// Its name in a single file.
    pub ldm: String,
    pub shape: Vec<usize>,
}

/// The fixtures of `checkpoint`, relative to any crate of the workspace.
pub fn fixtures() -> PathBuf {
    PathBuf::from("../checkpoint/tests/fixtures")
}

/// The tiny models of the `sdxl` tests, in every layout.
pub fn models() -> PathBuf {
    PathBuf::from("../sdxl/tests/fixtures")
}

/// The tensors of the tiny model's single f16 file.
pub fn tiny_tensors() -> Vec<T> {
    let bytes = std::fs::read(models().join("tiny/single-f16.safetensors")).expect("the tiny model is there");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    let tensors = header.as_object().expect("an object").iter().filter(|(name, _)| *name != "__metadata__");
    let tensor = |(name, entry): (&String, &serde_json::Value)| {
        let number = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
        let [begin, end] = [0, 1].map(|side| number(&entry["data_offsets"][side]) + 8 + length);
        let shape = entry["shape"].as_array().expect("a shape").iter().map(number).collect();
        let dtype = match entry["dtype"].as_str() {
            Some("F16") => "F16",
            Some("I64") => "I64",
            other => panic!("{other:?}"),
        };
        T { name: name.clone(), dtype, shape, data: bytes[begin..end].to_vec() }
    };
    tensors.map(tensor).collect()
}

/// The parameters of SDXL base, written by `tests/reference/export_names.py`.
pub fn sdxl_names() -> Vec<Name> {
    let text = std::fs::read_to_string(fixtures().join("sdxl_names.txt")).expect("the fixture is there");
    text.lines().flat_map(unfold).collect()
}

fn unfold(line: &str) -> Vec<Name> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [part, target, ldm, shape] = fields[..] else { panic!("four fields: {line}") };
    let shape: Vec<usize> = serde_json::from_str(shape).expect("a shape");
    let one = |target: String, ldm: String| Name { part: part.into(), target, ldm, shape: shape.clone() };
    let Some((start, rest)) = target.split_once("{0..") else { return vec![one(target.into(), ldm.into())] };
    let (last, end) = rest.split_once('}').expect("a closed range");
    let range = format!("{{0..{last}}}");
    let last: usize = last.parse().expect("a number");
    (0..=last).map(|i| one(format!("{start}{i}{end}"), ldm.replace(&range, &i.to_string()))).collect()
}

/// The tensors of an SDXL base single file: full names, shapes as in the file.
pub fn single_file_tensors(dtype: &'static str) -> Vec<(String, &'static str, Vec<usize>)> {
    let mut seen = std::collections::BTreeSet::new();
    let tensor = |name: Name| {
        let full = name.ldm;
        let mut shape = name.shape;
        if full.contains(".in_proj_") {
            shape[0] *= 3;
        } else if full.ends_with("text_projection") {
            shape.reverse();
        } else if full.contains(".mid.attn_1.") && shape.len() == 2 {
            shape.extend([1, 1]);
        }
        seen.insert(full.clone()).then_some((full, dtype, shape))
    };
    sdxl_names().into_iter().filter_map(tensor).collect()
}
