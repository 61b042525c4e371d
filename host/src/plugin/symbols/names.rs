//! Demangled names of functions, of Rust (both manglings) and C++.
//!
//! The author of a plugin controls the names. Demangling a Rust name takes time linear in its length. Demangling a C++
//! name does not: the parser backtracks, and two more bytes can double its time. So the caller of [`from_cpp`] must be
//! able to stop it from outside; only ending its process does.

use std::fmt::{self, Write as _};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
use wasmparser::{Encoding, KnownCustom, Name, Parser, Payload, TypeRef};

/// Maximum length of a demangled name in bytes.
pub(in crate::plugin) const NAME: usize = 200;

/// Maximum length of a mangled name in bytes; a short one can stand for an endless name.
const MANGLED: usize = 4 << 10;

/// Maximum nesting of a C++ name.
const RECURSION: u32 = 64;

/// Returns the functions of a component that have a mangled name: offset of the body in the file, and the name.
pub(in crate::plugin) fn mangled(component: &[u8]) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    let mut open: Option<Module<'_>> = None;
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match (payload, &mut open) {
            (Payload::Version { encoding: Encoding::Module, .. }, _) => open = Some(Module::default()),
            (Payload::ImportSection(imports), Some(module)) => {
                let functions = imports.into_imports().flatten();
                module.imported += functions.filter(|import| matches!(import.ty, TypeRef::Func(_))).count();
            }
            (Payload::CodeSectionEntry(body), Some(module)) => module.bodies.push(body.range().start),
            (Payload::CustomSection(section), Some(module)) if section.name() == "name" => {
                if let KnownCustom::Name(names) = section.as_known() {
                    module.names = Some(names);
                }
            }
            (Payload::End(_), Some(_)) => found.extend(open.take().into_iter().flat_map(Module::mangled)),
            _ => {}
        }
    }
    found.sort_unstable();
    found
}

/// A core module inside a component.
#[derive(Default)]
struct Module<'a> {
    /// Number of imported functions; the indices of its own functions follow.
    imported: usize,
    bodies: Vec<usize>,
    names: Option<wasmparser::NameSectionReader<'a>>,
}

impl<'a> Module<'a> {
    fn mangled(self) -> Vec<(u32, &'a str)> {
        let sections = self.names.into_iter().flatten().map_while(Result::ok);
        let functions = sections.filter_map(|section| match section {
            Name::Function(functions) => Some(functions),
            _ => None,
        });
        // One list, as the format requires. A second one would cost the same work again.
        let names = functions.take(1).flatten().map_while(Result::ok);
        let own = names.filter_map(|naming| {
            let body = (naming.index as usize).checked_sub(self.imported).and_then(|own| self.bodies.get(own))?;
            Some((u32::try_from(*body).ok()?, naming.name))
        });
        own.filter(|(_, name)| name.starts_with("_Z") || name.starts_with("_R")).collect()
    }
}

/// Demangles a Rust name; `None` if it is not one.
pub(in crate::plugin) fn from_rust(name: &str) -> Option<Box<str>> {
    let name = Some(name).filter(|name| name.len() <= MANGLED)?;
    Some(bounded(format_args!("{:#}", rustc_demangle::try_demangle(name).ok()?)).into())
}

/// Demangles a C++ name; `None` if it is not one. May run for years and use all memory.
pub(in crate::plugin) fn from_cpp(name: &str) -> Option<Box<str>> {
    let name = Some(name).filter(|name| name.len() <= MANGLED && name.starts_with("_Z"))?;
    let parse = ParseOptions::default().recursion_limit(RECURSION);
    let symbol = Symbol::new_with_options(name, &parse).ok()?;
    let mut text = Bounded::default();
    let written = symbol.structured_demangle(&mut text, &DemangleOptions::new().recursion_limit(RECURSION));
    (written.is_ok() || text.is_full()).then(|| text.0.into())
}

/// Returns at most the first [`NAME`] bytes of `text`.
pub(in crate::plugin) fn bounded(text: impl fmt::Display) -> String {
    let mut bounded = Bounded::default();
    // It fails when the limit is reached, which stops the writer.
    let _ = write!(bounded, "{text}");
    bounded.0
}

/// Collects the first [`NAME`] bytes.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    /// Returns whether the limit was reached. A last character of up to four bytes may not have fitted.
    fn is_full(&self) -> bool {
        self.0.len() > NAME - 4
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() <= room { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests;
