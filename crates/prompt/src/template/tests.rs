//! Tests of choices and wildcards.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

struct Files(BTreeMap<&'static str, Vec<&'static str>>);

impl Wildcards for Files {
    fn lines(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        Ok(self.0.get(name).map(|lines| lines.iter().map(|&line| line.to_owned()).collect()))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(|&name| name.to_owned()).collect()
    }
}

fn files() -> Files {
    Files(BTreeMap::from([
        ("hair/color", vec!["red", "{dark|light} blue"]),
        ("person", vec!["__hair/color__ hair", "0::never"]),
        ("loop", vec!["a __loop__"]),
        ("wide", vec!["__wide2__ __wide2__"]),
        ("wide2", vec![""]),
        ("double", vec!["__double__ __double__"]),
        ("none", vec![]),
    ]))
}

fn expanded(text: &str, seed: u64) -> Result<String, String> {
    expand(text, &mut Random::new(seed), Some(&files())).map(Cow::into_owned)
}

fn all(text: &str) -> BTreeSet<String> {
    (0..200).map(|seed| expanded(text, seed).expect("expands")).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn every_choice_is_made_and_no_other() {
    assert_eq!(all("a {red|green|} fox"), set(&["a red fox", "a green fox", "a  fox"]));
    assert_eq!(all("{a|{b|c} d}"), set(&["a", "b d", "c d"]));
    assert_eq!(all("{2$$a|b|c}"), set(&["a, b", "b, a", "a, c", "c, a", "b, c", "c, b"]));
    assert_eq!(all("{1-2$$ and $$a|b}"), set(&["a", "b", "a and b", "b and a"]));
    assert_eq!(all("{0::a|b}"), set(&["b"]));
    assert_eq!(all("{5$$a|b}"), set(&["a, b", "b, a"]));
    assert_eq!(all("__person__"), set(&["red hair", "dark blue hair", "light blue hair"]));
    let many = (0..4000).filter(|&seed| expanded("{3::a|b}", seed).expect("expands") == "a").count();
    assert!((2800..3200).contains(&many), "{many} of 4000");
}

#[test]
fn text_stays_as_it_is() {
    for text in
        ["", "{}", "{a}", "{a", "a}", "a|b", "snake_case", "a__b__c", "____", "__x", r"\{a|b\}", "{a} {b", "[a|b]"]
    {
        assert_eq!(expanded(text, 7).as_deref(), Ok(text));
    }
    assert_eq!(expand("__nobody__ {a}", &mut Random::new(1), None).as_deref(), Ok("__nobody__ {a}"));
    assert_eq!(expanded("{x {a|a}|x {a|a}} y}", 1).as_deref(), Ok("x a y}"));
}

#[test]
fn faults_are_reported_and_work_is_bounded() {
    let fault = |text: &str| expanded(text, 3).expect_err("a fault");
    assert_eq!(fault("__hair/colour__"), "has the unknown wildcard `__hair/colour__`; the nearest is `__hair/color__`");
    assert_eq!(fault("__xyzzy1__"), "has the unknown wildcard `__xyzzy1__`");
    assert_eq!(fault("__none__"), "has the wildcard `__none__`, which has no lines");
    assert!(fault("__loop__").contains("deeper than 24 levels"));
    assert!(fault("__double__").contains("levels"));
    assert!(fault(&"__wide__ ".repeat(900)).contains("2000 choices"));
    assert!(fault(&"x".repeat(PROMPT_CHARS - 1).replacen('x', "{abc|abd}", 1)).contains("10000 characters"));
    assert!(fault(&format!("{}a{}", "{".repeat(40), "|0::c}".repeat(40))).contains("levels"));
}

#[test]
fn braces_are_read_in_linear_time() {
    for text in ["{".repeat(9000), "{|".repeat(4500), "}{".repeat(4500), "_".repeat(9000), "{}".repeat(4500)] {
        assert_eq!(expanded(&text, 1).as_deref(), Ok(&*text));
    }
}
