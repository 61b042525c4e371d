//! From a core module to a component, for languages whose compilers stop at core modules (C, Go): the types come from
//! `wit/`, WASI preview 1 from wasmtime's adapter. A handler then needs no tool but its compiler.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as WASI, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap};

/// What the name of a custom section with the types of a module begins with: the generators of bindings add one.
const TYPES: &str = "component-type";

/// The function that handles messages, as a core module exports it.
const HANDLE: &str = "cofferdam:plugin/handler@0.1.0#handle";

/// The function that handles several.
const HANDLE_BATCH: &str = "cofferdam:plugin/batch-handler@0.1.0#handle-batch";

/// The contract's packages and those that it needs, each behind what it needs; the worlds come last.
const PACKAGES: [&[&str]; 8] = [
    &[include_str!("../../../../wit/http/deps/wasi-io/io.wit")],
    &[include_str!("../../../../wit/http/deps/wasi-clocks/clocks.wit")],
    &[include_str!("../../../../wit/http/http.wit")],
    &[include_str!("../../../../wit/v1/deps/wasi-config/store.wit")],
    &[
        include_str!("../../../../wit/v1/deps/wasi-keyvalue/store.wit"),
        include_str!("../../../../wit/v1/deps/wasi-keyvalue/atomics.wit"),
    ],
    &[include_str!("../../../../wit/v1/deps/wasi-logging/logging.wit")],
    &[
        include_str!("../../../../wit/v1/types.wit"),
        include_str!("../../../../wit/v1/handler.wit"),
        include_str!("../../../../wit/v1/world.wit"),
    ],
    &[include_str!("../../../../wit/core-module.wit")],
];

/// Whether the bytes begin as those of a core module do.
pub(in crate::plugin) fn is_one(bytes: &[u8]) -> bool {
    matches!(bytes.get(..8), Some([0, b'a', b's', b'm', _, _, 0, 0]))
}

/// The component that `module` makes.
///
/// # Errors
/// Why it makes none, in words for whoever wrote it.
pub(in crate::plugin) fn wrap(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = module.to_vec();
    let found = Found::of(&module)?;
    if !found.types {
        anyhow::ensure!(found.handle, "missing export `{HANDLE}`");
        let (types, worlds) = types()?;
        let world = types.select_world(&[worlds], Some(if found.batch { "batch-plugin" } else { "plugin" }))?;
        embed_component_metadata(&mut module, &types, world, StringEncoding::UTF8)?;
    }
    // wasmtime validates the whole.
    ComponentEncoder::default().validate(false).module(&module)?.adapter(WASI, ADAPTER)?.encode()
}

/// What a module says about itself.
#[derive(Default)]
struct Found {
    types: bool,
    handle: bool,
    batch: bool,
}

impl Found {
    fn of(module: &[u8]) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::CustomSection(section) => found.types |= section.name().starts_with(TYPES),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let name = export?.name;
                        found.handle |= name == HANDLE;
                        found.batch |= name == HANDLE_BATCH;
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The types, and the package of the worlds among them.
fn types() -> anyhow::Result<(Resolve, PackageId)> {
    let mut types = Resolve::default();
    let mut last = None;
    for package in PACKAGES {
        let mut sources = SourceMap::default();
        for (number, source) in package.iter().enumerate() {
            sources.push_str(&format!("{number}.wit"), *source);
        }
        let parsed = sources.parse().map_err(|(_, error)| anyhow::anyhow!("{error}"))?;
        last = Some(types.push_group(parsed)?);
    }
    Ok((types, last.expect("there are packages")))
}
