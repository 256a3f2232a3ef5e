//! Formats an error with its causes in one line.

/// The error's chain: what was being done, then why it failed. Text that an error and its cause share appears once.
pub fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, text| joined(&line, &text))
}

fn joined(line: &str, cause: &str) -> String {
    if line.is_empty() || line.ends_with(cause) {
        return if line.is_empty() { cause.to_owned() } else { line.to_owned() };
    }
    // "--model /x" and "/x: not found".
    let named = cause.match_indices(": ").map(|(at, _)| at).filter(|at| ends_with_word(line, &cause[..*at])).max();
    if let Some(at) = named {
        return format!("{line}{}", &cause[at..]);
    }
    // "cannot open the database" and "cannot open the database /x: not found".
    let last = line.rsplit(": ").next().unwrap_or(line);
    match cause.strip_prefix(last) {
        Some(rest) if !last.is_empty() && rest.starts_with(' ') => format!("{line}{rest}"),
        _ => format!("{line}: {cause}"),
    }
}

fn ends_with_word(line: &str, word: &str) -> bool {
    line.strip_suffix(word).is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn each_cause_is_printed_once() {
        assert_eq!(one_line(&anyhow!("b: c").context("a")), "a: b: c");
        let cause = std::io::Error::other(anyhow!("no room"));
        assert_eq!(one_line(&anyhow!(cause).context("x.png: no room").context("writing")), "writing: x.png: no room");
    }

    #[test]
    fn what_an_error_and_its_cause_both_name_is_named_once() {
        let line = |cause: &'static str, context: &'static str| one_line(&anyhow!(cause).context(context));
        assert_eq!(line("/x: not found", "--model /x"), "--model /x: not found");
        let opening = "cannot open the database /d/emberline.db: it is none";
        assert_eq!(line(opening, "cannot open the database"), opening);
        // Only whole words are the same name.
        assert_eq!(line("x: not found", "--model /ex"), "--model /ex: x: not found");
        assert_eq!(
            line("cannot open the databases: no", "cannot open the database"),
            "cannot open the database: cannot open the databases: no"
        );
        assert_eq!(line("", "a"), "a");
    }
}
