//! Styles: named snippets that are added to a prompt, and A1111's file of them.

/// A style of A1111's `styles.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line in the file, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// The snippet for the prompt.
    pub prompt: String,
    /// The snippet for the negative prompt.
    pub negative_prompt: String,
}

/// Where a style has the prompt.
const PLACE: &str = "{prompt}";

/// The prompt with a style: in place of `{prompt}` in the style, otherwise followed by ", " and the style. Source:
/// `merge_prompts` of A1111's `modules/styles.py`.
pub fn apply(style: &str, prompt: &str) -> String {
    if style.contains(PLACE) {
        return style.replace(PLACE, prompt);
    }
    match (prompt.trim(), style.trim()) {
        (prompt, "") => prompt.to_owned(),
        ("", style) => style.to_owned(),
        (prompt, style) => format!("{prompt}, {style}"),
    }
}

/// The prompt that [`apply`] has made `prompt` from, without spaces around it. `None` if the style is not in it, or could
/// have several places in it.
pub fn without(style: &str, prompt: &str) -> Option<String> {
    if let Some((before, after)) = style.split_once(PLACE) {
        let inside = prompt.strip_prefix(before)?.strip_suffix(after)?;
        return (!after.contains(PLACE)).then(|| inside.to_owned());
    }
    let style = style.trim();
    match prompt.strip_suffix(style)? {
        rest if style.is_empty() || rest.is_empty() => Some(rest.to_owned()),
        rest => rest.strip_suffix(", ").map(str::to_owned),
    }
}

/// Reads A1111's `styles.csv`: a header with the columns `name`, `prompt` (`text` in old files) and `negative_prompt`, then
/// a style in each row. Rows without a name are skipped. Source: `StyleDatabase.reload` of A1111's `modules/styles.py`.
///
/// # Errors
/// No column `name` or `prompt`, or a quoted value without its end.
pub fn read_csv(text: &str) -> Result<Vec<Row>, String> {
    let mut rows = records(text.trim_start_matches('\u{feff}'))?.into_iter();
    let (_, header) = rows.next().ok_or("is empty")?;
    let column = |name: &str| header.iter().position(|column| column.trim() == name);
    let name = column("name").ok_or("has no column \"name\" in its first line")?;
    let prompt = column("prompt").or_else(|| column("text")).ok_or("has no column \"prompt\" in its first line")?;
    let negative = column("negative_prompt");
    let styles = rows.filter_map(|(line, values)| {
        let value = |column: usize| values.get(column).cloned().unwrap_or_default();
        let name = value(name).trim().to_owned();
        let negative_prompt = negative.map(value).unwrap_or_default();
        (!name.is_empty()).then(|| Row { line, name, prompt: value(prompt), negative_prompt })
    });
    Ok(styles.collect())
}

/// The records of a CSV file (RFC 4180; a space before a value is skipped) with their lines.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let (mut records, mut record, mut value) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut first_line) = (1, 1);
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            _ if is_quoted => value.push(c),
            '"' if value.is_empty() => is_quoted = true,
            ' ' if value.is_empty() => {}
            ',' => record.push(std::mem::take(&mut value)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' => {
                record.push(std::mem::take(&mut value));
                records.push((first_line, std::mem::take(&mut record)));
                first_line = line;
            }
            _ => value.push(c),
        }
    }
    if is_quoted {
        return Err(format!("has a quote in the record of line {first_line} that is never closed"));
    }
    if !value.is_empty() || !record.is_empty() {
        record.push(value);
        records.push((first_line, record));
    }
    records.retain(|(_, record)| record.iter().any(|value| !value.is_empty()));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_applied_as_a1111_does() {
        for (style, prompt, expected) in [
            ("oil painting", "a fox", "a fox, oil painting"),
            (" oil painting ", " a fox ", "a fox, oil painting"),
            ("", " a fox ", "a fox"),
            ("oil painting", " ", "oil painting"),
            ("an oil painting of {prompt}, {prompt}!", "a fox", "an oil painting of a fox, a fox!"),
        ] {
            assert_eq!(apply(style, prompt), expected);
            let is_repeated = style.matches(PLACE).count() > 1;
            assert_eq!(without(style, expected), (!is_repeated).then(|| prompt.trim().to_owned()), "{style}");
        }
        assert_eq!(without("oil", "a fox, ink"), None);
        assert_eq!(without("oil", "a foxoil"), None);
        assert_eq!(without("oil of {prompt}", "ink of a fox"), None);
        assert_eq!(without("oil {prompt} oil", "oil oil"), None);
    }

    #[test]
    fn a1111_s_file_is_read() {
        let file = "\u{feff}name,prompt,negative_prompt\r\nOil,\"oil, \"\"thick\"\" paint\",flat\r\n\r\n\
                    Empty,,\n Lines, \"two\nlines\",x\nShort,only\n,nameless,x\nlast,a,b";
        let rows = read_csv(file).expect("a file");
        let row = |line, name: &str, prompt: &str, negative: &str| Row {
            line,
            name: name.into(),
            prompt: prompt.into(),
            negative_prompt: negative.into(),
        };
        assert_eq!(
            rows,
            [
                row(2, "Oil", "oil, \"thick\" paint", "flat"),
                row(4, "Empty", "", ""),
                row(5, "Lines", "two\nlines", "x"),
                row(7, "Short", "only", ""),
                row(9, "last", "a", "b"),
            ]
        );
        assert_eq!(read_csv("name,text\na,b\n").expect("an old file"), [row(2, "a", "b", "")]);
        assert_eq!(read_csv("a,b\n"), Err("has no column \"name\" in its first line".to_owned()));
        assert_eq!(read_csv(""), Err("is empty".to_owned()));
        assert!(read_csv("name,prompt\na,\"b\n").is_err_and(|error| error.contains("line 2")));
    }
}
