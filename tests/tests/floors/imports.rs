//! Finds which file of a crate uses items of which other file, from `use` statements and from paths that begin with
//! `crate`, `super` or `self`. A re-exported name (`pub use`) counts as a use of the file that defines it. Test code is
//! left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module as the names that lead to it from the root of the crate; the root is empty.
pub(crate) type Module = Vec<String>;

/// The files of a crate and the items that they use.
pub(crate) struct Crate {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// The paths that it uses, each with the module (the file or one inside it) that contains the path.
    paths: Vec<(Module, Vec<String>)>,
    /// Imported names, by the module that imports them.
    imports: BTreeMap<(Module, String), Vec<String>>,
}

impl Crate {
    /// Reads all files under `source` except tests.
    pub(crate) fn read(source: &Path) -> Self {
        let module = |path: &Path| -> Module {
            let inside = path.strip_prefix(source).expect("inside").with_extension("");
            let names = inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
            names.filter(|name| name != "lib" && name != "main").collect()
        };
        let text = |path: &Path| std::fs::read_to_string(path).expect("text");
        Self::of(super::rust_files(source).iter().map(|path| (module(path), text(path))))
    }

    /// Creates a crate of these files.
    pub(crate) fn of(files: impl IntoIterator<Item = (Module, String)>) -> Self {
        let mut read: BTreeMap<Module, File> = BTreeMap::new();
        for (module, text) in files {
            if !module.iter().any(|name| name == "tests") {
                let file = read.entry(module.clone()).or_default();
                Reader { tokens: tokens(&text), at: 0, file }.read(&module);
            }
        }
        Self { files: read }
    }

    /// Returns all pairs of files of which the first uses an item of the second.
    pub(crate) fn edges(&self) -> BTreeSet<(Module, Module)> {
        let mut edges = BTreeSet::new();
        for (from, file) in &self.files {
            for (base, path) in &file.paths {
                if let Some(to) = self.absolute(base, path).map(|path| self.home(&path, 0))
                    && to != *from
                {
                    edges.insert((from.clone(), to));
                }
            }
        }
        edges
    }

    /// Returns the path from the root of the crate; `None` if it leads out of the crate.
    fn absolute(&self, base: &[String], path: &[String]) -> Option<Vec<String>> {
        let (mut absolute, mut rest) = (base.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => {
                absolute.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {}
            first => {
                let child = [base, &[first.to_owned()]].concat();
                if !self.files.contains_key(&child) {
                    return None;
                }
            }
        }
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            absolute.pop()?;
            rest = after;
        }
        absolute.extend_from_slice(rest);
        Some(absolute)
    }

    /// Returns the file that defines the item at the end of `path`.
    fn home(&self, path: &[String], depth: usize) -> Module {
        let known = |length: &usize| self.files.contains_key(&path[..*length]);
        let length = (0..=path.len()).rev().find(known).unwrap_or(0);
        let (module, rest) = path.split_at(length);
        let import = rest.first().and_then(|name| {
            let import = self.files.get(module)?.imports.get(&(module.to_vec(), name.clone()))?;
            self.absolute(module, import)
        });
        match import {
            Some(import) if depth < 8 => self.home(&[&import, &rest[1..]].concat(), depth + 1),
            _ => module.to_vec(),
        }
    }
}

/// Returns the circles of `edges`: sets of files that all lead to each other. A use of the parent or of another
/// ancestor does not count, because a file may be split into a folder.
pub(crate) fn circles(edges: &BTreeSet<(Module, Module)>) -> BTreeSet<BTreeSet<Module>> {
    let mut leads: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (from, to) in edges {
        if !from.starts_with(to) {
            leads.entry(from).or_default().insert(to);
        }
    }
    let reached = |start: &Module| -> BTreeSet<Module> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(module) = open.pop() {
            for next in leads.get(module).into_iter().flatten() {
                if reached.insert((*next).clone()) {
                    open.push(next);
                }
            }
        }
        reached
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> = leads.keys().map(|module| (*module, reached(module))).collect();
    let back = |from: &Module, to: &Module| reach.get(to).is_some_and(|reached| reached.contains(from));
    let circle = |(module, reached): (&&Module, &BTreeSet<Module>)| -> BTreeSet<Module> {
        reached.iter().filter(|other| back(module, other)).cloned().collect()
    };
    reach.iter().map(circle).filter(|circle| circle.len() > 1).collect()
}

struct Reader<'a> {
    tokens: Vec<String>,
    at: usize,
    file: &'a mut File,
}

impl Reader<'_> {
    /// Reads to the end of `module`, which is the file or a module inside it.
    fn read(&mut self, module: &Module) {
        let mut depth = 0;
        while let Some(token) = self.next() {
            match token.as_str() {
                "{" => depth += 1,
                "}" if depth == 0 => return,
                "}" => depth -= 1,
                "mod" if self.peek(1) == "{" => {
                    let name = self.next().expect("a name");
                    self.next();
                    let inner = [&module[..], &[name]].concat();
                    if inner.last().is_some_and(|name| name == "tests") {
                        self.skip();
                    } else {
                        self.read(&inner);
                    }
                }
                "use" => self.tree(module, &[]),
                "crate" | "super" | "self" if self.peek(0) == "::" && self.before() != "::" => {
                    let mut path = vec![token];
                    while self.peek(0) == "::" && is_name(self.peek(1)) {
                        path.push(self.peek(1).to_owned());
                        self.at += 2;
                    }
                    // `pub(in crate::plugin)` uses nothing.
                    if !self.is_visibility(path.len()) {
                        self.file.paths.push((module.clone(), path));
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads a `use` tree, or the part of it after `prefix`.
    fn tree(&mut self, module: &Module, prefix: &[String]) {
        let mut path = prefix.to_vec();
        while let Some(token) = self.next() {
            match token.as_str() {
                "::" => continue,
                "{" => {
                    while self.peek(0) != "}" {
                        self.tree(module, &path);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.file.paths.push((module.clone(), path));
                    return;
                }
                "self" if !path.is_empty() => {}
                _ => path.push(token),
            }
            if self.peek(0) != "::" {
                break;
            }
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.peek(0) == "as" {
            name = self.peek(1).to_owned();
            self.at += 2;
        }
        self.file.imports.insert((module.clone(), name), path.clone());
        self.file.paths.push((module.clone(), path));
    }

    /// Skips to the end of the current block.
    fn skip(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next().as_deref() {
                Some("{") => depth += 1,
                Some("}") => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn is_visibility(&self, names: usize) -> bool {
        let start = self.at - (2 * names - 1);
        self.tokens[..start].ends_with(&["(".to_owned(), "in".to_owned()])
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn before(&self) -> &str {
        self.at.checked_sub(2).map_or("", |at| &self.tokens[at])
    }

    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|character: char| character.is_alphabetic() || character == '_')
}

/// Returns names, `::`, and single characters, without comments and the content of strings.
fn tokens(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at): (Vec<String>, usize) = (Vec::new(), 0);
    let peek = |at: usize| characters.get(at).copied().unwrap_or(' ');
    while at < characters.len() {
        let rest = &characters[at..];
        at += match (peek(at), peek(at + 1)) {
            ('/', '/') => rest.iter().take_while(|character| **character != '\n').count(),
            ('/', '*') => {
                let end = rest.windows(2).position(|pair| pair == ['*', '/']);
                end.map_or(rest.len(), |end| end + 2)
            }
            ('r', '"' | '#') if raw(rest).is_some() => raw(rest).expect("seen just now"),
            ('"', _) => quoted(rest),
            ('\'', '\\') => 2 + quoted(&rest[1..]).min(rest[2..].iter().position(|c| *c == '\'').unwrap_or(0) + 1),
            ('\'', _) if peek(at + 2) == '\'' => 3,
            (':', ':') => {
                tokens.push("::".to_owned());
                2
            }
            (first, _) if first.is_alphanumeric() || first == '_' => {
                let name: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let length = name.chars().count();
                tokens.push(name);
                length
            }
            (first, _) => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                1
            }
        };
    }
    tokens
}

/// Returns the length of the raw string that begins here, if there is one.
fn raw(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let start = hashes + 2;
    let length = rest[start..].windows(end.len()).position(|window| window == end)?;
    Some(start + length + end.len())
}

/// Returns the length of the string that begins here.
fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}
