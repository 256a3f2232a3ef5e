//! Capital letters and digits, five pixels high, for the text under the pictures.

use image::{Rgb, RgbImage};

/// Rows from top to bottom; `#` is ink.
const GLYPHS: [(char, [&str; 5]); 38] = [
    ('A', [" ## ", "#  #", "####", "#  #", "#  #"]),
    ('B', ["### ", "#  #", "### ", "#  #", "### "]),
    ('C', [" ###", "#   ", "#   ", "#   ", " ###"]),
    ('D', ["### ", "#  #", "#  #", "#  #", "### "]),
    ('E', ["###", "#  ", "## ", "#  ", "###"]),
    ('F', ["###", "#  ", "## ", "#  ", "#  "]),
    ('G', [" ###", "#   ", "# ##", "#  #", " ###"]),
    ('H', ["#  #", "#  #", "####", "#  #", "#  #"]),
    ('I', ["#", "#", "#", "#", "#"]),
    ('J', ["  #", "  #", "  #", "# #", " # "]),
    ('K', ["#  #", "# # ", "##  ", "# # ", "#  #"]),
    ('L', ["#  ", "#  ", "#  ", "#  ", "###"]),
    ('M', ["#   #", "## ##", "# # #", "#   #", "#   #"]),
    ('N', ["#  #", "## #", "# ##", "#  #", "#  #"]),
    ('O', [" ## ", "#  #", "#  #", "#  #", " ## "]),
    ('P', ["### ", "#  #", "### ", "#   ", "#   "]),
    ('Q', [" ## ", "#  #", "#  #", "# ##", " ###"]),
    ('R', ["### ", "#  #", "### ", "# # ", "#  #"]),
    ('S', [" ###", "#   ", " ## ", "   #", "### "]),
    ('T', ["###", " # ", " # ", " # ", " # "]),
    ('U', ["#  #", "#  #", "#  #", "#  #", " ## "]),
    ('V', ["# #", "# #", "# #", "# #", " # "]),
    ('W', ["#   #", "#   #", "# # #", "## ##", "#   #"]),
    ('X', ["# #", "# #", " # ", "# #", "# #"]),
    ('Y', ["# #", "# #", " # ", " # ", " # "]),
    ('Z', ["####", "  # ", " #  ", "#   ", "####"]),
    ('0', [" # ", "# #", "# #", "# #", " # "]),
    ('1', [" #", "##", " #", " #", " #"]),
    ('2', ["## ", "  #", " # ", "#  ", "###"]),
    ('3', ["## ", "  #", " # ", "  #", "## "]),
    ('4', ["# #", "# #", "###", "  #", "  #"]),
    ('5', ["###", "#  ", "## ", "  #", "## "]),
    ('6', [" ##", "#  ", "## ", "# #", " # "]),
    ('7', ["###", "  #", " # ", " # ", " # "]),
    ('8', [" # ", "# #", " # ", "# #", " # "]),
    ('9', [" # ", "# #", " ##", "  #", "## "]),
    ('*', ["   ", "# #", " # ", "# #", "   "]),
    (' ', ["  ", "  ", "  ", "  ", "  "]),
];

/// Pixels per pixel of a glyph.
const SCALE: u32 = 2;
/// The height of a line in pixels.
pub const LINE: u32 = 7 * SCALE;

/// Draws a line of text with its upper left corner at the given position. Characters without a glyph are left out.
pub fn write(on: &mut RgbImage, text: &str, left: u32, top: u32, ink: Rgb<u8>) {
    let mut x = left;
    for character in text.chars().map(|c| c.to_ascii_uppercase()) {
        let Some((_, rows)) = GLYPHS.iter().find(|(of, _)| *of == character) else { continue };
        for (y, row) in rows.iter().enumerate() {
            for (dx, _) in row.chars().enumerate().filter(|(_, pixel)| *pixel == '#') {
                dot(on, x + dx as u32 * SCALE, top + y as u32 * SCALE, ink);
            }
        }
        x += (rows[0].len() as u32 + 1) * SCALE;
    }
}

fn dot(on: &mut RgbImage, left: u32, top: u32, ink: Rgb<u8>) {
    for (dx, dy) in (0..SCALE).flat_map(|dy| (0..SCALE).map(move |dx| (dx, dy))) {
        if left + dx < on.width() && top + dy < on.height() {
            on.put_pixel(left + dx, top + dy, ink);
        }
    }
}
