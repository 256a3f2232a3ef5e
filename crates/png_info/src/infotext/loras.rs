//! LoRA files in A1111's text: `<lora:name:weight>` in the prompt, and `Lora hashes: "name: hash, name: hash"`.

use generation::{Lora, Loras};

/// The prompt with a tag for each file that has none in it. A1111 reads the weights from the tags: the first is the text
/// encoders', the second the UNet's.
pub(crate) fn with_tags(prompt: &str, loras: &[Lora]) -> String {
    let mut text = prompt.to_owned();
    for lora in loras {
        // A1111 has no way to write such a name.
        let is_writable = !lora.name.contains([':', '>', '\n']);
        if !is_writable || tags(prompt).any(|(name, _)| name == lora.name) {
            continue;
        }
        let Lora { name, unet_weight, .. } = lora;
        let weights = match lora.text_weight() == *unet_weight {
            true => unet_weight.to_string(),
            false => format!("{}:{unet_weight}", lora.text_weight()),
        };
        let space = if text.is_empty() || text.ends_with(char::is_whitespace) { "" } else { " " };
        text += &format!("{space}<lora:{name}:{weights}>");
    }
    text
}

/// The value of `Lora hashes`; none if no hash is known. Names with a comma or a colon are left out: A1111 splits at these.
pub(crate) fn hashes(loras: &[Lora]) -> Option<String> {
    let written = loras.iter().filter(|lora| !lora.name.contains([',', ':']));
    let pairs: Vec<_> = written.filter_map(|lora| Some(format!("{}: {}", lora.name, lora.hash.as_ref()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(", "))
}

/// The files of a text, from the hashes and the tags. None unless every hash is AutoV3's or AutoV2's with a tag in the
/// prompt.
pub(crate) fn read(prompt: &str, hashes: &str) -> Option<Loras> {
    let read_one = |pair: &str| {
        let (name, hash) = pair.split_once(':')?;
        let (name, hash) = (name.trim(), hash.trim().to_lowercase());
        let is_hash = [10, 12].contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (_, arguments) = tags(prompt).find(|(tag, _)| *tag == name).filter(|_| is_hash)?;
        let (text_weight, unet_weight) = weights(arguments)?;
        let text_weight = Some(text_weight).filter(|weight| *weight != unet_weight);
        Some(Lora { name: name.to_owned(), unet_weight, text_weight, hash: Some(hash) })
    };
    let loras = Loras(hashes.split(',').map(read_one).collect::<Option<Vec<_>>>()?);
    loras.error().is_none().then_some(loras)
}

/// Name and arguments of each `<lora:name:arguments>`.
fn tags(prompt: &str) -> impl Iterator<Item = (&str, &str)> {
    prompt.split("<lora:").skip(1).filter_map(|rest| {
        let inside = &rest[..rest.find('>')?];
        Some(inside.split_once(':').unwrap_or((inside, "")))
    })
}

/// The weights for the text encoders and for the UNet: the first argument, or `te=`, is the former and 1 by default; the
/// second, or `unet=`, is the latter and the former's by default.
fn weights(arguments: &str) -> Option<(f64, f64)> {
    let (mut text, mut unet, mut place) = (None, None, 0);
    for argument in arguments.split(':').filter(|argument| !argument.is_empty()) {
        match argument.split_once('=') {
            Some(("te", value)) => text = Some(value.trim().parse().ok()?),
            Some(("unet", value)) => unet = Some(value.trim().parse().ok()?),
            Some(_) => return None,
            None => {
                let value = Some(argument.trim().parse().ok()?);
                *(if place == 0 { &mut text } else { &mut unet }) = value;
                place += 1;
            }
        }
    }
    let text = text.unwrap_or(1.0);
    Some((text, unet.unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let hash = |digit: &str| Some(digit.repeat(12));
        let loras = [
            Lora { hash: hash("a"), ..Lora::new("ink wash", 0.7) },
            Lora { hash: hash("b"), text_weight: Some(0.5), ..Lora::new("b", -1.0) },
        ];
        let prompt = with_tags("a <lora:b:0.5:-1> car", &loras);
        assert_eq!(prompt, "a <lora:b:0.5:-1> car <lora:ink wash:0.7>");
        let hashes = hashes(&loras).expect("known");
        assert_eq!(hashes, "ink wash: aaaaaaaaaaaa, b: bbbbbbbbbbbb");
        assert_eq!(read(&prompt, &hashes).as_deref(), Some(&loras[..]));
        assert_eq!(with_tags("", &loras[..1]), "<lora:ink wash:0.7>");
        assert_eq!(with_tags("a", &[Lora::new("x:y", 1.0)]), "a");
    }

    #[test]
    fn what_is_no_complete_record_is_not_read() {
        let hash = "0123456789ab";
        assert!(read("a", &format!("x: {hash}")).is_none(), "no tag");
        assert!(read("<lora:x:1>", "x: 1").is_none(), "no hash");
        assert!(read("<lora:x:much>", &format!("x: {hash}")).is_none());
        assert!(read("<lora:x:99>", &format!("x: {hash}")).is_none(), "beyond the limits");
        assert_eq!(read("<lora:x:1>", "x: 0123456789").expect("AutoV2")[0].hash.as_deref(), Some("0123456789"));
        let read = read("<lora:x:te=0.5:unet=0.8>", &format!("x: {hash}")).expect("a file");
        assert_eq!((read[0].text_weight(), read[0].unet_weight), (0.5, 0.8));
    }
}
