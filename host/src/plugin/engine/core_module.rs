//! Converts a core module to a component, for languages whose compilers produce only core modules (C, Go). The types come
//! from `wit/`, and WASI preview 1 from wasmtime's adapter. So a handler needs no tool except its compiler.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as WASI, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, SourceMap};

/// Prefix of the custom sections with the types of a module, which generators of bindings add.
const TYPES: &str = "component-type";

/// The handler function, as a core module exports it.
const HANDLE: &str = "cofferdam:plugin/handler@0.1.0#handle";

/// The batch function, as a core module exports it.
const HANDLE_BATCH: &str = "cofferdam:plugin/batch-handler@0.1.0#handle-batch";

/// The contract's packages and those that it needs, each behind what it needs; the worlds come last.
const PACKAGES: &[&[&str]] = &[
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

/// Whether the bytes begin like a core module.
pub(in crate::plugin) fn is_one(bytes: &[u8]) -> bool {
    matches!(bytes.get(..8), Some([0, b'a', b's', b'm', _, _, 0, 0]))
}

/// Converts `module` to a component.
///
/// # Errors
/// The reason why it cannot be converted, for the author of the plugin.
pub(in crate::plugin) fn wrap(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = module.to_vec();
    let found = Found::of(&module)?;
    if !found.types {
        anyhow::ensure!(found.handle, "missing export `{HANDLE}`");
        let (types, worlds) = types()?;
        let world = types.select_world(&[worlds], Some(if found.batch { "batch-plugin" } else { "plugin" }))?;
        embed_component_metadata(&mut module, &types, world, StringEncoding::UTF8)?;
    }
    // wasmtime validates the result.
    ComponentEncoder::default().validate(false).module(&module)?.adapter(WASI, ADAPTER)?.encode()
}

/// The sections and exports of a module that the conversion needs.
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

/// The types, and the package that contains the worlds.
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
