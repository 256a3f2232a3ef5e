//! Words in upper case that are syntax.

/// Whether the regular expression `\w` matches the character.
pub fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Byte positions of a separate word: the regular expression `\bword\b`.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(start, _)| start).filter(move |&start| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        !before.ends_with(in_word) && !after.starts_with(in_word)
    })
}
