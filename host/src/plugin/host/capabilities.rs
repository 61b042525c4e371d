//! The capabilities: interfaces that a plugin may import. A capability is a file or folder here, and a line in [`ALL`].
//!
//! The linker has all capabilities for all plugins. Loading refuses a plugin that imports an interface of a capability
//! that it was not granted.

mod config;
pub mod http;
pub mod keyvalue;
mod logging;
pub(in crate::plugin) mod wasi;

use wasmtime::component::Linker;

use super::spec::Spec;
use super::state::State;

/// All capabilities, in the order in which they are linked.
#[rustfmt::skip]
pub(in crate::plugin) const ALL: &[Capability] = &[
    wasi::CAPABILITY,
    config::CAPABILITY,
    logging::CAPABILITY,
    keyvalue::CAPABILITY,
    http::CAPABILITY,
];

/// Interfaces that are granted together.
pub(in crate::plugin) struct Capability {
    /// Its name in metrics and logs, and its key under `capabilities` if it must be granted.
    pub(in crate::plugin) name: &'static str,
    /// Its name in the list of supported interfaces.
    pub(in crate::plugin) title: &'static str,
    /// The entry of `capabilities` that grants it, with placeholders for values. `None` if every plugin has it.
    pub(in crate::plugin) grant: Option<&'static str>,
    /// Its interfaces with versions; `*` matches any text.
    pub(in crate::plugin) interfaces: &'static [&'static str],
    /// Returns whether the plugin was granted it.
    pub(in crate::plugin) granted: fn(&Spec) -> bool,
    /// Links its interfaces.
    add_to_linker: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

impl Capability {
    /// Returns whether `import` is one of its interfaces.
    pub(in crate::plugin) fn has(&self, import: &str) -> bool {
        self.interfaces.iter().any(|interface| matches(interface, import))
    }
}

/// Links the interfaces of all capabilities.
pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    ALL.iter().try_for_each(|capability| (capability.add_to_linker)(linker))
}

fn matches(pattern: &str, name: &str) -> bool {
    let (first, rest) = pattern.split_once('*').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let Some(name) = name.strip_prefix(first) else { return false };
    match rest {
        None => name.is_empty(),
        Some(rest) => (0..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("wasi:io/*@0.2.*", "wasi:io/streams@0.2.6"));
        assert!(!matches("wasi:io/*@0.2.*", "wasi:io/streams@0.3.0"));
        assert!(!matches("wasi:io/*@0.2.*", "wasi:http/types@0.2.0"));
        assert!(matches("wasi:http/types@0.2.*", "wasi:http/types@0.2.0"));
        assert!(!matches("wasi:http/types@0.2.*", "wasi:http/types-of-mine@0.2.0"));
        assert!(matches("wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-rc.1"));
        assert!(!matches("wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-rc.10"));
    }

    /// SDKs are generated from the first world. Core modules are wrapped with the second one, which includes the first.
    #[test]
    fn all_that_the_wit_worlds_import_belongs_to_a_capability() {
        let worlds = [include_str!("../../../../wit/v1/world.wit"), include_str!("../../../../wit/core-module.wit")];
        let imports = worlds.iter().flat_map(|world| world.lines());
        let imports = imports.filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
        let imports: Vec<_> = imports.collect();
        assert!(imports.len() >= 5, "{imports:?}");
        for import in imports {
            assert!(ALL.iter().any(|capability| capability.has(import)), "{import}");
        }
    }

    #[test]
    fn no_import_belongs_to_two_capabilities() {
        for capability in ALL {
            for interface in capability.interfaces {
                let owners = ALL.iter().filter(|other| other.has(&interface.replace('*', "0"))).count();
                assert_eq!(owners, 1, "{interface}");
            }
        }
    }
}
