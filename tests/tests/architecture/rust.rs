//! Reading Rust as tokens, so that comments, strings and lifetimes cannot mislead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

pub(crate) struct RustFile {
    /// As a person finds it: from the root of the repository.
    pub(crate) name: String,
    /// `["record", "inbound"]`; empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
}

impl RustFile {
    /// `inside` is the path below `src`.
    pub(crate) fn new(name: String, inside: &Path, text: String) -> Self {
        let mut module: Vec<_> = inside
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
            module.pop();
        }
        Self { name, module, text }
    }

    /// The file without what is only compiled for tests; modules declared so, but kept in files of their own, go into `test_modules`.
    pub(crate) fn tokens_without_tests(
        &self,
        test_modules: &mut BTreeSet<Vec<String>>,
    ) -> Result<Vec<TokenTree>, String> {
        let stream: TokenStream = self.text.parse().map_err(|error| format!("{} is not Rust: {error}", self.name))?;
        Ok(without_tests(&stream.into_iter().collect::<Vec<_>>(), &self.module, test_modules))
    }

    pub(crate) fn is_below(&self, modules: &BTreeSet<Vec<String>>) -> bool {
        modules.iter().any(|module| self.module.starts_with(module))
    }
}

/// Drops each item behind `#[cfg(test)]` or `#[cfg(all(test, ..))]`: up to its braces or its semicolon.
fn without_tests(tokens: &[TokenTree], module: &[String], test_modules: &mut BTreeSet<Vec<String>>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.next() {
        let attribute = rest.peek().filter(|_| is_punct(token, '#')).is_some_and(|next| is_test_attribute(next));
        if attribute {
            let mut item = Vec::new();
            for token in rest.by_ref() {
                let braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                item.push(token);
                if braces || is_punct(token, ';') {
                    break;
                }
            }
            if let [.., keyword, TokenTree::Ident(name), end] = item.as_slice() {
                if is_ident(keyword, "mod") && is_punct(end, ';') {
                    test_modules.insert(module.iter().cloned().chain([name.to_string()]).collect());
                }
            }
        } else if let TokenTree::Group(group) = token {
            let inner = without_tests(&trees(group), module, test_modules);
            kept.push(Group::new(group.delimiter(), inner.into_iter().collect()).into());
        } else {
            kept.push(token.clone());
        }
    }
    kept
}

fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// A path that begins at the root of the crate, whatever it was written as.
pub(crate) struct CratePath {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

/// Every path that begins with `crate`, `self` or `super`, made to begin at the root. `module` is where the tokens stand.
pub(crate) fn collect_paths(tokens: &[TokenTree], module: &[String], paths: &mut Vec<CratePath>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(ident) if ident == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    let inner: Vec<_> = module.iter().cloned().chain([name.to_string()]).collect();
                    collect_paths(&trees(body), &inner, paths);
                    at += 2;
                }
            }
            TokenTree::Ident(ident) if is_path_root(ident) && is_path_separator(tokens, at) => {
                let mut written = Vec::new();
                at = at - 1 + expand_path(tokens.get(at - 1..).unwrap_or_default(), &[], &mut written);
                let line = ident.span().start().line;
                let rooted = written.iter().map(|segments| rooted(segments, module));
                paths.extend(rooted.map(|segments| CratePath { line, segments }));
            }
            TokenTree::Group(group) => collect_paths(&trees(group), module, paths),
            _ => {}
        }
    }
}

/// Reads one path, and all its branches if it ends in braces. Returns how many tokens it took.
fn expand_path(tokens: &[TokenTree], prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                for branch in trees(group).split(|token| is_punct(token, ',')).filter(|branch| !branch.is_empty()) {
                    expand_path(branch, &path, paths);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    paths.push(path);
    at
}

fn rooted(written: &[String], module: &[String]) -> Vec<String> {
    let mut absolute = module.to_vec();
    for segment in written {
        match segment.as_str() {
            "crate" => absolute.clear(),
            "self" => {}
            "super" => _ = absolute.pop(),
            name => absolute.push(name.to_owned()),
        }
    }
    absolute
}

/// Names that `lib.rs` lends from a module: `pub use time::Instant` makes `crate::Instant` a use of `time`.
pub(crate) fn collect_reexports(tokens: &[TokenTree], reexports: &mut BTreeMap<String, String>) {
    for statement in tokens.split(|token| is_punct(token, ';')) {
        let Some(at) = statement.iter().position(|token| is_ident(token, "use")) else { continue };
        let mut written = Vec::new();
        expand_path(statement.get(at + 1..).unwrap_or_default(), &[], &mut written);
        for path in written.iter().map(|path| rooted(path, &[])) {
            if let [module, .., name] = path.as_slice() {
                reexports.insert(name.clone(), module.clone());
            }
        }
    }
}

fn is_path_root(ident: &Ident) -> bool {
    ["crate", "self", "super"].iter().any(|root| ident == root)
}

pub(crate) fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at..at + 2), Some([first, second]) if is_punct(first, ':') && is_punct(second, ':'))
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

pub(crate) fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

pub(crate) fn trees(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

pub(crate) fn core_file(inside: &str, text: &str) -> RustFile {
    RustFile::new(inside.to_owned(), Path::new(inside), text.to_owned())
}

pub(crate) fn parse(source: &str) -> Vec<TokenTree> {
    source.parse::<TokenStream>().into_iter().flatten().collect()
}
