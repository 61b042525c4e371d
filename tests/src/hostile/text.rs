//! Builds components from text: a template, and files that contain only the differences from it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use super::{Hostile, folder};

/// A file, split at its lines `;;= name`, `;;= name: value` and `;;= name N times`.
pub(super) struct Source {
    text: String,
    parts: HashMap<String, String>,
}

/// An imported function, and its type in the core module.
struct Function {
    name: String,
    canon: String,
    signature: String,
}

impl Source {
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (mut parts, mut open) = (HashMap::<String, String>::new(), (String::new(), 1));
        for line in text.lines().filter(|line| line.starts_with(";;=") || !line.starts_with(";;")) {
            let Some(head) = line.strip_prefix(";;=") else {
                *parts.entry(open.0.clone()).or_default() += &format!("{line}\n").repeat(open.1);
                continue;
            };
            let (head, value) = head.split_once(':').unwrap_or((head, ""));
            let mut words = head.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            open = (name, words.next().map_or(1, |times| times.parse().expect("how many times")));
            *parts.entry(open.0.clone()).or_default() += &format!("{}\n", value.trim()).repeat(open.1);
        }
        Self { text, parts }
    }

    /// Returns the text of a component with these items in its module and this handler.
    pub(super) fn of(items: &str, handle: &str) -> Self {
        let parts = [("items", items), ("handle", handle)].map(|(name, part)| (name.into(), part.into()));
        Self { text: String::new(), parts: parts.into() }
    }

    /// Builds the component and sets how to run it.
    pub(super) fn fill(&self, hostile: &mut Hostile) {
        let text = if self.is_whole() { self.text.clone() } else { self.component() };
        hostile.bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", hostile.name));
        hostile.keyvalue = self.part("grants").contains("keyvalue");
        for limit in self.part("limits").lines().filter(|line| !line.is_empty()) {
            match limit.split_once('=').map(|(name, value)| (name.trim(), value.trim().parse())) {
                Some(("host_calls", Ok(calls))) => hostile.limits.host_calls = calls,
                _ => panic!("{}: no limit {limit:?}", hostile.name),
            }
        }
    }

    /// Returns whether the file has no parts, so that it is a whole component or module.
    fn is_whole(&self) -> bool {
        self.parts.keys().all(String::is_empty)
    }

    fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", |part| part.trim())
    }

    fn component(&self) -> String {
        let mut parts = self.parts.clone();
        let mut functions = Vec::new();
        for name in self.part("imports").split_whitespace() {
            let import = Self::read(&folder().join("imports").join(format!("{name}.wat")));
            *parts.entry("component".into()).or_default() += import.part("");
            functions.extend(import.functions());
        }
        let early: Vec<_> = self.part("early").split_whitespace().map(|name| find(&functions, name)).collect();
        parts.insert("lowers".into(), lowers(&functions, &early));
        parts.insert("lowered".into(), functions.iter().map(|it| it.exported("")).collect());
        parts.insert("functions".into(), functions.iter().map(|it| it.imported("host")).collect());
        parts.insert("early-functions".into(), early.iter().map(|it| it.imported("early")).collect());
        parts.entry("memory".into()).or_insert_with(|| "4".into());

        let template = std::fs::read_to_string(folder().join("template.wat")).expect("the template");
        let mut text = String::new();
        for (number, piece) in template.split("{{").enumerate() {
            let Some((name, rest)) = piece.split_once("}}").filter(|_| number > 0) else {
                text += piece;
                continue;
            };
            text += parts.get(name).map_or("", |part| part);
            text += rest;
        }
        text
    }

    /// Parses the lines `;; name: canonical function: signature` of an import.
    fn functions(&self) -> Vec<Function> {
        let (_, lines) = self.text.split_once(";;= functions").expect("an import has functions");
        let function = |line: &str| {
            let [name, canon, signature] = line.trim_start_matches(";;").split(':').collect::<Vec<_>>()[..] else {
                panic!("a function is a name, what it stands for and a signature, not {line:?}")
            };
            Function { name: name.trim().into(), canon: canon.trim().into(), signature: signature.trim().into() }
        };
        lines.lines().filter(|line| !line.is_empty()).map(function).collect()
    }
}

impl Function {
    fn imported(&self, from: &str) -> String {
        format!("(import \"{from}\" \"{0}\" (func ${0} {1}))\n", self.name, self.signature)
    }

    fn exported(&self, prefix: &str) -> String {
        format!("(export \"{0}\" (func ${prefix}{0}))", self.name)
    }

    fn canon(&self, prefix: &str, options: &str) -> String {
        let canon = match self.canon.split_once(' ') {
            Some(("lower", function)) => format!("lower (func {function}) {options}"),
            _ => self.canon.clone(),
        };
        format!("(core func ${prefix}{} (canon {canon}))\n", self.name)
    }
}

/// Returns the memory, the allocator and the lowered functions. `early` are the functions that the allocator itself
/// calls.
fn lowers(functions: &[Function], early: &[&Function]) -> String {
    let mut text: String = early.iter().map(|function| function.canon("early-", "")).collect();
    let given: String = early.iter().map(|function| function.exported("early-")).collect();
    let _ = writeln!(text, "(core instance $libc (instantiate $Libc (with \"early\" (instance {given}))))");
    let options = r#"(memory (core memory $libc "memory")) (realloc (core func $libc "cabi_realloc"))"#;
    text.extend(functions.iter().map(|function| function.canon("", options)));
    text
}

fn find<'a>(functions: &'a [Function], name: &str) -> &'a Function {
    functions.iter().find(|function| function.name == name).unwrap_or_else(|| panic!("no import has {name}"))
}
