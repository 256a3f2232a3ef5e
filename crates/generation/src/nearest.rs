//! A name that is like another, for messages about unknown names.

/// Longest name that is compared, in characters.
const COMPARED_CHARS: usize = 64;

/// The name that is most like `name`: one that contains it or that it contains, otherwise the one with the smallest edit
/// distance. None if every name differs in more than half of its characters.
pub fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(COMPARED_CHARS).collect();
    let distance = |other: &str| {
        let other: Vec<char> = other.to_lowercase().chars().take(COMPARED_CHARS).collect();
        edits(&wanted, &other)
    };
    let best = among.map(|other| (distance(other), other)).min();
    best.filter(|(distance, _)| *distance <= wanted.len().div_ceil(2)).map(|(_, other)| other)
}

/// Levenshtein's distance: insertions, deletions and replacements from one text to the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_like_it() {
        let all = ["pixel-art-xl", "lightning", "ink_wash"];
        let of = |name| nearest(name, all.into_iter());
        assert_eq!(of("pixelart-xl"), Some("pixel-art-xl"));
        assert_eq!(of("Ink Wash"), Some("ink_wash"));
        assert_eq!(of("zzzz"), None);
        assert_eq!(edits(&['k', 'i', 't'], &['s', 'i', 't', 's']), 2);
    }
}
