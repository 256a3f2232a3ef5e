//! The EXIF fields that affect how a picture looks. EXIF uses TIFF: "Exif Version 2.32", CIPA DC-008.

use image::metadata::Orientation;

const EXIF_IFD: u16 = 0x8769;
const COLOUR_SPACE: u16 = 0xA001;
const INTEROPERABILITY_IFD: u16 = 0xA005;
const INTEROPERABILITY_INDEX: u16 = 0x0001;

/// EXIF data, possibly truncated.
#[derive(Clone, Copy, Debug)]
pub struct Exif<'a> {
    tiff: &'a [u8],
    big_endian: bool,
}

impl<'a> Exif<'a> {
    /// Parses EXIF data, starting at its TIFF header or at the `Exif\0\0` that JPEG, and some programs in WebP, put
    /// before it.
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let tiff = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
        match tiff.get(..4)? {
            b"II*\0" => Some(Self { tiff, big_endian: false }),
            b"MM\0*" => Some(Self { tiff, big_endian: true }),
            _ => None,
        }
    }

    /// The orientation of the picture.
    pub fn orientation(self) -> Orientation {
        Orientation::from_exif_chunk(self.tiff).unwrap_or(Orientation::NoTransforms)
    }

    /// Whether the values are Adobe RGB without a profile. Cameras indicate it according to the "Design rule for Camera
    /// File system 2.0" (uncalibrated colour space with interoperability index R03), some with a colour space of 2.
    pub fn is_adobe_rgb(self) -> bool {
        let adobe = || {
            let exif = self.offset(self.u32(4)? as usize, EXIF_IFD)?;
            let space = self.entry(exif, COLOUR_SPACE).and_then(|value| self.u16(value));
            let index = self
                .offset(exif, INTEROPERABILITY_IFD)
                .and_then(|ifd| self.entry(ifd, INTEROPERABILITY_INDEX))
                .and_then(|value| self.tiff.get(value..value + 3));
            Some(space == Some(2) || (space == Some(0xFFFF) && index == Some(b"R03")))
        };
        adobe().unwrap_or(false)
    }

    fn u16(self, at: usize) -> Option<u16> {
        let bytes = *self.tiff.get(at..)?.first_chunk::<2>()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, at: usize) -> Option<u32> {
        let bytes = *self.tiff.get(at..)?.first_chunk::<4>()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Offset of a field's value, if it has at most four bytes.
    fn entry(self, ifd: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.u16(ifd)?);
        let at = |place: usize| ifd + 2 + 12 * place;
        (0..count).map(at).find(|at| self.u16(*at) == Some(tag)).map(|at| at + 8)
    }

    fn offset(self, ifd: usize, tag: u16) -> Option<usize> {
        self.entry(ifd, tag).and_then(|value| self.u32(value)).map(|offset| offset as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data with the orientation, and an EXIF directory with a colour space and an interoperability index.
    fn exif(big_endian: bool, space: u16, index: &[u8; 4]) -> Vec<u8> {
        let u16s = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let u32s = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
            [&u16s(tag)[..], &u16s(kind)[..], &u32s(count)[..], &value[..]].concat()
        };
        let short = |value: u16| [u16s(value)[0], u16s(value)[1], 0, 0];
        let mut out = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        out.extend(u32s(8));
        out.extend(u16s(2));
        out.extend(entry(0x0112, 3, 1, short(6)));
        out.extend(entry(EXIF_IFD, 4, 1, u32s(38)));
        out.extend([0; 4]);
        out.extend(u16s(2));
        out.extend(entry(COLOUR_SPACE, 3, 1, short(space)));
        out.extend(entry(INTEROPERABILITY_IFD, 4, 1, u32s(68)));
        out.extend([0; 4]);
        out.extend(u16s(1));
        out.extend(entry(INTEROPERABILITY_INDEX, 2, 4, *index));
        out.extend([0; 4]);
        out
    }

    #[test]
    fn adobe_rgb_is_known_by_colour_space_and_index_in_both_byte_orders() {
        for big_endian in [false, true] {
            for (space, index, adobe) in [
                (0xFFFF, b"R03\0", true),
                (2, b"R98\0", true),
                (1, b"R98\0", false),
                (1, b"R03\0", false),
                (0xFFFF, b"R98\0", false),
            ] {
                let data = exif(big_endian, space, index);
                let exif = Exif::new(&data).expect("EXIF");
                assert_eq!(exif.is_adobe_rgb(), adobe, "{big_endian} {space} {index:?}");
                assert_eq!(exif.orientation(), Orientation::Rotate90);
            }
        }
        assert!(Exif::new(&[b"Exif\0\0", &exif(true, 1, b"R98\0")[..]].concat()).is_some());
        assert!(Exif::new(b"Exif").is_none());
    }

    #[test]
    fn data_that_points_nowhere_or_ends_early_says_nothing() {
        let whole = exif(false, 0xFFFF, b"R03\0");
        for end in 0..whole.len() {
            let exif = Exif::new(&whole[..end]);
            assert!(exif.is_none_or(|exif| end > 78 || !exif.is_adobe_rgb()), "{end} bytes");
        }
        let mut far = whole;
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(!Exif::new(&far).expect("EXIF").is_adobe_rgb());
    }
}
