//! Changes to the styles of the form, and to its prompts for them. Pure.

use crate::drafts::Draft;
use ::prompt::styles::{apply, without};
use protocol::Style;

/// The field's text with a style added at the end, or without it if it is in it.
pub fn toggled(text: &str, name: &str) -> String {
    let mut names: Vec<&str> = text.lines().collect();
    match names.iter().position(|known| *known == name) {
        Some(place) => _ = names.remove(place),
        None => names.push(name),
    }
    names.join("\n")
}

/// The field's text with a style's new name.
pub fn renamed(text: &str, from: &str, to: &str) -> String {
    text.lines().map(|name| if name == from { to } else { name }).collect::<Vec<_>>().join("\n")
}

/// The draft with its styles applied to its prompts, without the unknown ones.
pub fn styled(mut draft: Draft, known: &[Style]) -> Draft {
    for name in draft.style_names() {
        if let Some(style) = known.iter().find(|style| style.name == name) {
            draft.prompt = apply(&style.prompt, &draft.prompt);
            draft.negative_prompt = apply(&style.negative_prompt, &draft.negative_prompt);
        }
    }
    draft
}

/// A draft whose prompts contain its styles, with the prompts as they were before. If one of the styles is unknown or was
/// changed since, the prompts stay and the styles are removed.
pub fn unstyled(draft: Draft, known: &[Style]) -> Draft {
    let before = |mut draft: Draft| {
        for name in draft.style_names().iter().rev() {
            let style = known.iter().find(|style| style.name == *name)?;
            draft.prompt = without(&style.prompt, &draft.prompt)?;
            draft.negative_prompt = without(&style.negative_prompt, &draft.negative_prompt)?;
        }
        Some(draft)
    };
    let is_same = |before: &Draft| {
        let again = styled(before.clone(), known);
        (&again.prompt, &again.negative_prompt) == (&draft.prompt, &draft.negative_prompt)
    };
    match before(draft.clone()).filter(|before| !before.prompt.trim().is_empty() && is_same(before)) {
        Some(before) => before,
        None => Draft { styles: String::new(), ..draft },
    }
}

/// What a style adds, a line for each prompt that it changes.
pub fn facts(style: &Style) -> Vec<String> {
    let negative = Some(style.negative_prompt.trim()).filter(|text| !text.is_empty());
    let prompt = Some(style.prompt.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    prompt.into_iter().chain(negative.map(|text| format!("Negative: {text}"))).collect()
}

/// The styles whose name or texts contain each word of a search.
pub fn matching<'a>(known: &'a [Style], search: &str) -> impl Iterator<Item = &'a Style> {
    let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
    known.iter().filter(move |style| {
        let text = [&*style.name, &style.prompt, &style.negative_prompt].join("\n").to_lowercase();
        words.iter().all(|word| text.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::StyleId;

    fn style(id: i64, name: &str, prompt: &str, negative_prompt: &str) -> Style {
        Style { id: StyleId(id), name: name.into(), prompt: prompt.into(), negative_prompt: negative_prompt.into() }
    }

    fn known() -> Vec<Style> {
        vec![style(1, "Ink", "ink, paper", ""), style(2, "Oil", "oil of {prompt}", "flat")]
    }

    fn draft(prompt: &str, negative_prompt: &str, styles: &str) -> Draft {
        Draft { styles: styles.into(), ..typed(prompt, negative_prompt) }
    }

    fn typed(prompt: &str, negative_prompt: &str) -> Draft {
        Draft { prompt: prompt.into(), negative_prompt: negative_prompt.into(), ..Draft::default() }
    }

    #[test]
    fn a_style_is_added_at_the_end_and_removed() {
        let text = toggled(&toggled("", "Ink"), "Oil, thick");
        assert_eq!(text, "Ink\nOil, thick");
        assert_eq!(renamed(&text, "Ink", "Pen"), "Pen\nOil, thick");
        assert_eq!(toggled(&text, "Ink"), "Oil, thick");
        assert_eq!(toggled("Ink", "Ink"), "");
    }

    #[test]
    fn styles_are_applied_in_order_and_taken_out_again() {
        let typed = draft("a cat", "blurry", "Oil\nInk");
        let applied = styled(typed.clone(), &known());
        assert_eq!((&*applied.prompt, &*applied.negative_prompt), ("oil of a cat, ink, paper", "blurry, flat"));
        assert_eq!(unstyled(applied, &known()), typed);
    }

    #[test]
    fn styles_that_cannot_be_taken_out_stay_in_the_prompts() {
        for (prompt, negative, styles) in [
            // Unknown, changed since, and a prompt of nothing but the style.
            ("oil of a cat", "flat", "Acrylic"),
            ("acrylic of a cat", "flat", "Oil"),
            ("oil of a cat", "", "Oil"),
            ("ink, paper", "", "Ink"),
        ] {
            assert_eq!(unstyled(draft(prompt, negative, styles), &known()), typed(prompt, negative), "{styles}");
        }
    }

    #[test]
    fn a_search_looks_at_names_and_texts() {
        let names = |search| matching(&known(), search).map(|style| style.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("PAPER in"), ["Ink"]);
        assert_eq!(names("flat"), ["Oil"]);
        assert_eq!(names(" "), ["Ink", "Oil"]);
        assert_eq!(facts(&known()[1]), ["oil of {prompt}", "Negative: flat"]);
        assert_eq!(facts(&style(3, "None", " ", "")), Vec::<String>::new());
    }
}
