//! The modules that one source file declares and the paths that it uses, from its tokens.
//!
//! Tokens, not a syntax tree: the bodies of macros (`view!`, `tracing::info!`) are tokens in both, and use modules
//! too. Comments and strings are not read. Code under `#[cfg(test)]` does not ship and is left out.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What one file declares and uses. Positions are relative to the file's own module.
#[derive(Debug, Default)]
pub struct File {
    /// Modules, inline ones with their parents: `["outer", "inner"]`.
    pub modules: Vec<Declared>,
    /// Paths of two names or more, and everything that is imported.
    pub used: Vec<Used>,
}

/// One `mod` item.
#[derive(Debug, PartialEq, Eq)]
pub struct Declared {
    pub path: Vec<String>,
    /// `mod name { ... }`, so there is no file for it.
    pub is_inline: bool,
}

/// One path.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    /// The inline modules around it.
    pub inside: Vec<String>,
    pub names: Vec<String>,
    /// The name that a `use` item brings into its module; `None` for a path in other code, and for `*`.
    pub imported_as: Option<String>,
    pub line: usize,
}

/// Reads one file. Fails if its brackets or literals are not Rust.
pub fn read(source: &str) -> Result<File> {
    let tokens: TokenStream = source.parse().map_err(|error| anyhow!("cannot be read as Rust: {error}"))?;
    let mut reader = Reader { file: File::default(), inside: Vec::new() };
    reader.block(tokens, true);
    Ok(reader.file)
}

struct Reader {
    file: File,
    inside: Vec<String>,
}

impl Reader {
    /// Reads the tokens between two brackets, or a file's. `is_module`: they are a module's items.
    fn block(&mut self, tokens: TokenStream, is_module: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = if is_test_only(&tokens[at..]) {
                at + item_length(&tokens[at..])
            } else {
                at + self.step(&tokens[at..], ends_in_colons(&tokens[..at]), is_module)
            };
        }
    }

    /// Reads one `use`, one `mod`, one path or one token; returns how many tokens that were.
    fn step(&mut self, tokens: &[TokenTree], continues_a_path: bool, is_module: bool) -> usize {
        match &tokens[0] {
            TokenTree::Ident(word) if word == "use" => {
                let length = tokens.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(1);
                self.imports(&tokens[1..length.max(1)], &[], is_module);
                length
            }
            TokenTree::Ident(word) if word == "mod" => self.module(tokens),
            TokenTree::Ident(_) if !continues_a_path => {
                let (names, length) = path(tokens);
                if names.len() > 1 {
                    self.note(names, None, &tokens[0]);
                }
                length
            }
            TokenTree::Group(group) => {
                self.block(group.stream(), false);
                1
            }
            _ => 1,
        }
    }

    fn module(&mut self, tokens: &[TokenTree]) -> usize {
        let Some(TokenTree::Ident(name)) = tokens.get(1) else { return 1 };
        let path: Vec<_> = self.inside.iter().cloned().chain([name.to_string()]).collect();
        match tokens.get(2) {
            Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                self.file.modules.push(Declared { path: path.clone(), is_inline: true });
                let outer = std::mem::replace(&mut self.inside, path);
                self.block(body.stream(), true);
                self.inside = outer;
                3
            }
            token if is_punct(token, ';') => {
                self.file.modules.push(Declared { path, is_inline: false });
                3
            }
            _ => 2,
        }
    }

    /// The part of a `use` item after `prefix`: `a::b`, `a as b`, `*`, `a::{b, c::d}`.
    fn imports(&mut self, tokens: &[TokenTree], prefix: &[String], is_module: bool) {
        let mut names = prefix.to_vec();
        let mut alias = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) if word == "self" && !names.is_empty() => {}
                TokenTree::Ident(word) => names.push(word.to_string()),
                TokenTree::Punct(sign) if sign.as_char() == '*' => {
                    self.note(names, None, token);
                    return;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                TokenTree::Group(list) => {
                    let list: Vec<_> = list.stream().into_iter().collect();
                    for part in list.split(|token| is_punct(Some(token), ',')) {
                        self.imports(part, &names, is_module);
                    }
                    return;
                }
            }
            at += 1;
        }
        if let Some(first) = tokens.first().filter(|_| !names.is_empty()) {
            let name = alias.or_else(|| names.last().cloned()).filter(|_| is_module);
            self.note(names, name, first);
        }
    }

    fn note(&mut self, names: Vec<String>, imported_as: Option<String>, at: &TokenTree) {
        let line = at.span().start().line;
        self.file.used.push(Used { inside: self.inside.clone(), names, imported_as, line });
    }
}

/// The names that `::` joins from the first token on, and how many tokens they are.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut names = vec![tokens[0].to_string()];
    let mut length = 1;
    while let [first, second, TokenTree::Ident(name), ..] = &tokens[length..]
        && is_punct(Some(first), ':')
        && is_punct(Some(second), ':')
    {
        names.push(name.to_string());
        length += 3;
    }
    (names, length)
}

/// Whether an attribute here keeps the item after it out of everything but tests.
fn is_test_only(tokens: &[TokenTree]) -> bool {
    let [sign, TokenTree::Group(attribute), ..] = tokens else { return false };
    let attribute: Vec<_> = attribute.stream().into_iter().collect();
    let [TokenTree::Ident(cfg), TokenTree::Group(condition)] = &attribute[..] else { return false };
    let condition: Vec<_> = condition.stream().into_iter().collect();
    let is_test = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "test");
    is_punct(Some(sign), '#')
        && cfg == "cfg"
        && match &condition[..] {
            [one] => is_test(one),
            [TokenTree::Ident(all), TokenTree::Group(list)] if all == "all" => {
                list.stream().into_iter().any(|t| is_test(&t))
            }
            _ => false,
        }
}

/// How many tokens the item has that starts with an attribute: up to its `;`, its body or, in a list, its comma.
fn item_length(tokens: &[TokenTree]) -> usize {
    let mut ends_with_semicolon = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if ["use", "const", "static", "type", "let"].iter().any(|first| word == first) => {
                ends_with_semicolon = true;
            }
            // `const fn`.
            TokenTree::Ident(word) if word == "fn" => ends_with_semicolon = false,
            TokenTree::Punct(sign) if sign.as_char() == ';' => return at + 1,
            TokenTree::Punct(sign) if sign.as_char() == ',' && !ends_with_semicolon => return at + 1,
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace && !ends_with_semicolon => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Whether the next name goes on with a path. One colon is a type's: `x: crate::a::B`.
fn ends_in_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [.., TokenTree::Punct(first), TokenTree::Punct(second)]
        if first.as_char() == ':' && first.spacing() == Spacing::Joint && second.as_char() == ':')
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(source: &str) -> Vec<String> {
        let mut used: Vec<_> = read(source).expect("Rust").used.iter().map(|used| used.names.join("::")).collect();
        used.sort();
        used
    }

    #[test]
    fn a_tree_of_imports_is_taken_apart() {
        let source = "use crate::{a::{self, B as C, d::*}, e::F}; pub use super::g; use h;";
        assert_eq!(used(source), ["crate::a", "crate::a::B", "crate::a::d", "crate::e::F", "h", "super::g"]);
        let names = read(source).expect("Rust").used.into_iter().map(|used| used.imported_as).collect::<Vec<_>>();
        let expected = [Some("a"), Some("C"), None, Some("F"), Some("g"), Some("h")];
        assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn paths_in_code_and_in_macros_are_found_with_their_lines() {
        let source = "fn f(x: crate::a::B) {\n    view! { <crate::c::Deed on=move |_| super::d::e::<u8>()/> }\n}";
        assert_eq!(used(source), ["crate::a::B", "crate::c::Deed", "super::d::e"]);
        let lines: Vec<_> = read(source).expect("Rust").used.iter().map(|used| used.line).collect();
        assert_eq!(lines, [1, 2, 2]);
    }

    #[test]
    fn what_is_no_code_is_no_path() {
        let source = "//! [`crate::a::B`]\n/// crate::c::D\nfn f(&self) -> &'static str { self.g(); \"crate::e::F\" }";
        assert_eq!(used(source), Vec::<String>::new());
        // The middle of a path is not the start of one.
        assert_eq!(used("fn f() { <T as A>::b::c(); ::leptos::mount::to_body(); }"), Vec::<String>::new());
        assert_eq!(used("pub(crate) fn f() {} pub(in crate::a) fn g() {}"), ["crate::a"]);
    }

    #[test]
    fn code_for_tests_alone_is_left_out() {
        let source = "#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] mod more; \
                      #[cfg(all(test, unix))] const fn f() { crate::b::c() } #[cfg(test)] use crate::{d::E}; \
                      #[cfg(any(test, unix))] use crate::f::G; #[cfg(not(test))] mod kept; use crate::h;";
        assert_eq!(used(source), ["crate::f::G", "crate::h"]);
        let modules = read(source).expect("Rust").modules;
        assert_eq!(modules, [Declared { path: vec!["kept".to_owned()], is_inline: false }]);
    }

    #[test]
    fn inline_modules_surround_what_is_in_them() {
        let file = read("mod a { mod b; mod c { use super::D; } } use e::F;").expect("Rust");
        let declared: Vec<_> = file.modules.iter().map(|module| (module.path.join("::"), module.is_inline)).collect();
        assert_eq!(declared, [("a".to_owned(), true), ("a::b".to_owned(), false), ("a::c".to_owned(), true)]);
        let inside: Vec<_> = file.used.iter().map(|used| used.inside.join("::")).collect();
        assert_eq!(inside, ["a::c", ""]);
    }
}
