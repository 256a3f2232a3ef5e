//! EXIF: a TIFF directory. Only the fields with texts are read.

use super::{MAX_TEXT_BYTES, Texts, USER_COMMENT, text_from_bytes};

/// The header before the TIFF data in a JPEG, and in some WebP and PNG files.
pub(super) const HEADER: &[u8] = b"Exif\0\0";

/// Pointer to the EXIF directory, which contains the user comment.
const EXIF_DIRECTORY: u16 = 0x8769;

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(*bytes),
            Self::Big => u16::from_be_bytes(*bytes),
        })
    }

    fn offset(self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..)?.first_chunk::<4>()?;
        let offset = match self {
            Self::Little => u32::from_le_bytes(*bytes),
            Self::Big => u32::from_be_bytes(*bytes),
        };
        usize::try_from(offset).ok()
    }
}

/// Reads the texts of the first directory and of the EXIF directory. Damaged parts are ignored.
pub(super) fn read(data: &[u8], texts: &mut Texts) {
    let tiff = data.strip_prefix(HEADER).unwrap_or(data);
    let order = match tiff.get(..4) {
        Some(b"II*\0") => Order::Little,
        Some(b"MM\0*") => Order::Big,
        _ => return,
    };
    let Some(first) = order.offset(tiff, 4) else { return };
    if let Some(second) = read_directory(tiff, order, first, texts) {
        read_directory(tiff, order, second, texts);
    }
}

/// Reads one directory. Returns the offset of the EXIF directory.
fn read_directory(tiff: &[u8], order: Order, at: usize, texts: &mut Texts) -> Option<usize> {
    let count = usize::from(order.u16(tiff, at)?);
    let entries = tiff.get(at.checked_add(2)?..)?;
    let mut second = None;
    for entry in entries.chunks_exact(12).take(count) {
        let tag = order.u16(entry, 0)?;
        if tag == EXIF_DIRECTORY {
            second = order.offset(entry, 8);
        } else if let Some(value) = value(tiff, order, entry) {
            read_field(tag, value, order, texts);
        }
    }
    second
}

/// The bytes of a field. `None` for types with elements of more than one byte.
fn value<'a>(tiff: &'a [u8], order: Order, entry: &'a [u8]) -> Option<&'a [u8]> {
    // BYTE, ASCII, UNDEFINED
    if !matches!(order.u16(entry, 2)?, 1 | 2 | 7) {
        return None;
    }
    let length = order.offset(entry, 4)?;
    if length <= 4 {
        return entry.get(8..8 + length);
    }
    let at = order.offset(entry, 8)?;
    tiff.get(at..at.checked_add(length)?).filter(|value| value.len() <= 2 * MAX_TEXT_BYTES)
}

fn read_field(tag: u16, value: &[u8], order: Order, texts: &mut Texts) {
    match tag {
        0x010E => push_labelled("ImageDescription", value, texts),
        // ComfyUI's nodes write `workflow:{...}` and `prompt:{...}` here.
        0x010F => push_labelled("Make", value, texts),
        0x0110 => push_labelled("Camera", value, texts),
        0x0131 => texts.push("Software", text_from_bytes(value)),
        0x927C => texts.push("MakerNote", text_from_bytes(value)),
        0x9286 => texts.push(USER_COMMENT, user_comment(value, order)),
        // Windows' own comment, always UTF-16 in little-endian order.
        0x9C9C => texts.push("XPComment", utf16(value, Order::Little)),
        _ => {}
    }
}

/// Adds a text. A text that starts with `prompt:` or `workflow:` followed by JSON is ComfyUI's.
fn push_labelled(keyword: &str, value: &[u8], texts: &mut Texts) {
    let text = text_from_bytes(value);
    if let Some((label, json)) = text.split_once(':').filter(|(_, json)| json.trim_start().starts_with('{')) {
        let labels = ["prompt", "workflow"];
        if let Some(label) = labels.into_iter().find(|known| label.eq_ignore_ascii_case(known)) {
            return texts.push(label, json.to_owned());
        }
    }
    texts.push(keyword, text);
}

/// A user comment starts with eight bytes that name its encoding. Some programs omit them.
fn user_comment(value: &[u8], order: Order) -> String {
    let Some((code, text)) = value.split_first_chunk::<8>() else { return text_from_bytes(value) };
    match code {
        b"UNICODE\0" => unicode(text, order),
        // ISO-2022-JP, the standard's code for JIS, writes ASCII as it is; its Japanese is not decoded.
        b"ASCII\0\0\0" | b"JIS\0\0\0\0\0" | b"\0\0\0\0\0\0\0\0" => uncoded(text),
        _ => uncoded(value),
    }
}

/// Decodes a text whose code does not name UTF-16. It is UTF-16 if it has a byte order mark, or if it has zero bytes inside,
/// as no 8-bit text has, and one byte order gives a text without zeros and half surrogate pairs that is at least a quarter
/// ASCII.
fn uncoded(text: &[u8]) -> String {
    let marked = text.starts_with(&[0xFF, 0xFE]) || text.starts_with(&[0xFE, 0xFF]);
    if marked {
        return unicode(text, Order::Big);
    }
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if !text[..end].contains(&0) {
        return text_from_bytes(text);
    }
    let valid = |order| {
        let decoded = utf16(text, order);
        // In the wrong order ASCII becomes rare characters such as U+6100.
        let ascii = decoded.chars().filter(char::is_ascii).count();
        let is_text = !decoded.contains([char::REPLACEMENT_CHARACTER, '\0']) && 4 * ascii >= decoded.chars().count();
        is_text.then_some((ascii, decoded))
    };
    match (valid(Order::Little), valid(Order::Big)) {
        (Some((little, text)), Some((big, _))) if little > big => text,
        (Some((little, _)), Some((big, text))) if big > little => text,
        (Some((_, text)), None) | (None, Some((_, text))) => text,
        (Some(_), Some(_)) | (None, None) => text_from_bytes(text),
    }
}

/// Decodes UTF-16 with unknown byte order. The EXIF standard uses the directory's own order, but piexif and therefore
/// A1111 always write big-endian. The order that gives more ASCII characters is used, because a record always contains
/// some.
fn unicode(text: &[u8], order: Order) -> String {
    match text {
        [0xFF, 0xFE, rest @ ..] => return utf16(rest, Order::Little),
        [0xFE, 0xFF, rest @ ..] => return utf16(rest, Order::Big),
        _ => {}
    }
    let ascii = |order: Order| units(text, order).filter(|unit| (1..0x80).contains(unit)).count();
    match (ascii(Order::Little), ascii(Order::Big)) {
        // UTF-8 with the wrong code.
        (0, 0) if std::str::from_utf8(text).is_ok() => text_from_bytes(text),
        (little, big) if little > big => utf16(text, Order::Little),
        (little, big) if little < big => utf16(text, Order::Big),
        _ => utf16(text, order),
    }
}

fn units(text: &[u8], order: Order) -> impl Iterator<Item = u16> {
    text.chunks_exact(2).filter_map(move |unit| order.u16(unit, 0))
}

fn utf16(text: &[u8], order: Order) -> String {
    let text = char::decode_utf16(units(text, order)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    let text: String = text.collect();
    text.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_no_part_of_the_text() {
        for code in [b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0\0\0\0\0\0\0\0"] {
            assert_eq!(user_comment(&[&code[..], b"a cat"].concat(), Order::Big), "a cat");
        }
    }

    #[test]
    fn utf_16_is_recognised_without_its_code() {
        for text in ["a cat", "Steps: 20, 猫", "猫 is a cat 😀"] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for bytes in [&little, &big] {
                for padding in [&[][..], &[0, 0], &[0, 0, 0, 0]] {
                    assert_eq!(uncoded(&[bytes, padding].concat()), text, "{bytes:?}");
                }
            }
        }
        // 8-bit texts, with zeros only at the end, and what is neither.
        assert_eq!(uncoded(b"a cat\0\0\0"), "a cat");
        assert_eq!(uncoded("猫".as_bytes()), "猫");
        assert_eq!(uncoded(b"abcd\0efgh\0"), "abcd\0efgh");
        assert_eq!(uncoded(b"Steps: 20, Seed: 5\0more"), "Steps: 20, Seed: 5\0more");
        assert_eq!((uncoded(b""), uncoded(b"\0\0")), (String::new(), String::new()));
    }
}
