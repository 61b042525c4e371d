//! Names of functions as they stand in the source, of Rust (both manglings) and C++.
//!
//! The author of a plugin chooses the names. Those of Rust take time in proportion to their length. Those of C++ do not:
//! the parser goes back and tries again, and two bytes more can double its time. So whoever calls [`from_cpp`] must be
//! able to stop it from outside, which only the end of its process does.

use std::fmt::{self, Write as _};

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
use wasmparser::{Encoding, KnownCustom, Name, Parser, Payload, TypeRef};

/// The longest name that is shown, bytes.
pub(in crate::plugin) const NAME: usize = 200;

/// The longest name that is demangled, bytes; short ones can stand for names without end.
const MANGLED: usize = 4 << 10;

/// How deep a C++ name may be nested.
const RECURSION: u32 = 64;

/// The functions of a component that have a mangled name: where the body of each begins in the file, and the name.
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
    /// Functions that it imports; its own are counted from there.
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
        // One list, as the format has it: a second would be the same work once more.
        let names = functions.take(1).flatten().map_while(Result::ok);
        let own = names.filter_map(|naming| {
            let body = (naming.index as usize).checked_sub(self.imported).and_then(|own| self.bodies.get(own))?;
            Some((u32::try_from(*body).ok()?, naming.name))
        });
        own.filter(|(_, name)| name.starts_with("_Z") || name.starts_with("_R")).collect()
    }
}

/// A name of Rust; `None` for any other.
pub(in crate::plugin) fn from_rust(name: &str) -> Option<Box<str>> {
    let name = Some(name).filter(|name| name.len() <= MANGLED)?;
    Some(bounded(format_args!("{:#}", rustc_demangle::try_demangle(name).ok()?)).into())
}

/// A name of C++; `None` for any other. May not come back for years, and take all memory meanwhile.
pub(in crate::plugin) fn from_cpp(name: &str) -> Option<Box<str>> {
    let name = Some(name).filter(|name| name.len() <= MANGLED && name.starts_with("_Z"))?;
    let parse = ParseOptions::default().recursion_limit(RECURSION);
    let symbol = Symbol::new_with_options(name, &parse).ok()?;
    let mut text = Bounded::default();
    let written = symbol.structured_demangle(&mut text, &DemangleOptions::new().recursion_limit(RECURSION));
    (written.is_ok() || text.is_full()).then(|| text.0.into())
}

/// The first [`NAME`] bytes of `text`.
pub(in crate::plugin) fn bounded(text: impl fmt::Display) -> String {
    let mut bounded = Bounded::default();
    // It fails when it is full: whoever writes is to stop.
    let _ = write!(bounded, "{text}");
    bounded.0
}

/// Takes the first [`NAME`] bytes.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    /// Up to one character of four bytes may have found no room.
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
