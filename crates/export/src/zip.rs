//! A ZIP of the picture files, which contain their parameters.

use crate::{Error, Picture, Sequence, Watch};
use ::zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};
use std::io::{self, Seek, Write};

pub fn write(sequence: &Sequence, out: &mut (impl Write + Seek), watch: Watch<'_>) -> Result<(), Error> {
    let mut archive = ZipWriter::new(out);
    // PNG is already compressed.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let digits = sequence.stills.len().to_string().len().max(4);
    let mut listed = Vec::new();
    for (place, still) in sequence.stills.iter().enumerate() {
        let extension = match &still.picture {
            Picture::File(path) => path.extension().and_then(|extension| extension.to_str()).unwrap_or("png"),
            Picture::Png(_) | Picture::Later(_) => "png",
        };
        let name = format!("{:0digits$}.{extension}", place + 1);
        archive.start_file(name.as_str(), options).map_err(encode)?;
        let mut file = sequence.open(place).map_err(|unreadable| Error::Pictures(vec![unreadable]))?;
        io::copy(&mut file, &mut archive)?;
        listed.push(serde_json::json!({ "file": name, "duration": still.duration }));
        if watch(place + 1).is_break() {
            return Err(Error::Cancelled);
        }
    }
    let Sequence { fps, width, height, .. } = sequence;
    let about = serde_json::json!({ "fps": fps, "width": width, "height": height, "frames": listed });
    archive.start_file("sequence.json", options).map_err(encode)?;
    archive.write_all(format!("{about:#}\n").as_bytes())?;
    archive.finish().map_err(encode)?;
    Ok(())
}

fn encode(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
