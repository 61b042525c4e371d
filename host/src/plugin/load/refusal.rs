//! Why a plugin is not loaded: where, what, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::plugin::contract::Contract;
use crate::plugin::host::capabilities;

/// The most components and modules inside each other, the whole among them. Linkers make two or three.
pub(super) const DEPTH: usize = 32;

/// A plugin that is not loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The plugin's name in the configuration.
    pub plugin: Box<str>,
    /// Its file, where it was read from one.
    pub path: Option<PathBuf>,
    /// Why.
    pub refusal: Refusal,
}

/// Why a plugin is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("failed to read the file: {0}")]
    Unreadable(#[source] io::Error),
    /// The file is larger than what is compiled.
    #[error("the file exceeds compile.size of {most} bytes")]
    TooLarge {
        /// The most it may have, bytes.
        most: u64,
    },
    /// Compiling it went on for too long.
    #[error("compile time limit of {limit:?} exceeded")]
    CompileTime {
        /// Of processor.
        limit: Duration,
    },
    /// Compiling it took too much memory.
    #[error("compile memory limit of {limit} bytes exceeded")]
    CompileMemory {
        /// The most it may take, bytes.
        limit: u64,
    },
    /// The program that compiles could not be started, or died of something else than its bounds.
    #[error("the compiler failed: {reason}")]
    Compiler {
        /// How it ended, and its last words.
        reason: String,
    },
    /// Something else than WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// A core module that is no handler.
    #[error("failed to build a component from the core module: {reason}")]
    CoreModule {
        /// Why.
        reason: String,
    },
    /// It does not validate.
    #[error("invalid component: {reason}")]
    Invalid {
        /// wasmtime's words.
        reason: String,
    },
    /// Components stand inside each other more often than any linker makes them.
    #[error("components are nested more than {DEPTH} deep")]
    TooDeep,
    /// It has more memories, tables or parts than a slot of the pool.
    #[error("the component exceeds the sandbox: {reason}")]
    DoesNotFit {
        /// wasmtime's words.
        reason: String,
    },
    /// No handler of any version.
    #[error("the component exports no handler")]
    NoHandler,
    /// A handler of another version of the contract.
    #[error("the component exports {export}; expected one of {}", known())]
    OtherContract {
        /// The export.
        export: Box<str>,
    },
    /// A handler of this version in name only.
    #[error("the handler does not have the type of {}: {reason}", .contract.name())]
    WrongType {
        /// Which contract its name is of.
        contract: Contract,
        /// wasmtime's words.
        reason: String,
    },
    /// Interfaces that have to be granted, and were not.
    #[error("the plugin imports {} without a grant", imports(.missing))]
    NotGranted {
        /// One for each capability that is missing.
        missing: Vec<Missing>,
    },
    /// An interface that this host does not have.
    #[error("the plugin imports {import}, which this host does not support")]
    UnknownImport {
        /// The import.
        import: Box<str>,
    },
    /// An interface that this host has with other functions or types.
    #[error("import has an incompatible type: {reason}")]
    Import {
        /// wasmtime's words.
        reason: String,
    },
    /// It has more memory from the start than it may have.
    #[error("the plugin starts with {bytes} bytes of memory; its limit is {limit}")]
    MemoryLimit {
        /// What it starts with, bytes.
        bytes: u64,
        /// Its limit, bytes.
        limit: usize,
    },
    /// A limit that the sandbox cannot keep.
    #[error("invalid limit {name}: {value}")]
    Limit {
        /// Which.
        name: &'static str,
        /// Its value.
        value: usize,
        /// The least it may be.
        least: usize,
        /// The most it may be.
        most: usize,
    },
    /// The sandbox for it could not be set up.
    #[error("{0}")]
    Engine(String),
}

impl LoadError {
    /// Which plugin, and its file.
    pub fn place(&self) -> String {
        match &self.path {
            Some(path) => format!("plugin {} ({})", self.plugin, path.display()),
            None => format!("plugin {}", self.plugin),
        }
    }

    /// What would be right.
    pub fn remedy(&self) -> String {
        self.refusal.remedy(&self.plugin)
    }
}

impl Refusal {
    fn remedy(&self, plugin: &str) -> String {
        match self {
            Self::Unreadable(_) => "build the plugin, or correct its path".into(),
            Self::TooLarge { .. } => {
                "remove debug information and data files from the component, or raise compile.size under [sandbox]"
                    .into()
            }
            Self::CompileTime { .. } => "split very long functions, or raise compile.time under [sandbox]".into(),
            Self::CompileMemory { .. } => "split very long functions, or raise compile.memory under [sandbox]".into(),
            Self::Compiler { .. } => "check that this process may start another one and has enough memory".into(),
            Self::NotWasm => "name the .wasm file that the build produced".into(),
            Self::CoreModule { .. } => {
                "build a component (for Rust the target wasm32-wasip2), or a core module with an SDK for it (C, Go)"
                    .into()
            }
            Self::Invalid { reason } if reason.contains("must be enabled") || reason.contains("not enabled") => {
                "build it without this WebAssembly feature".into()
            }
            Self::Invalid { .. } => "build it again; the file may be truncated".into(),
            Self::TooDeep => "compose the components side by side".into(),
            Self::DoesNotFit { .. } => "link it with fewer or smaller memories and tables".into(),
            Self::NoHandler => {
                format!("export the interface handler of {}; see the folder wit", Contract::ALL[0].name())
            }
            Self::OtherContract { .. } => format!("build it with an SDK for {}", Contract::ALL[0].name()),
            Self::WrongType { contract, .. } => format!("build it with an SDK for {}", contract.name()),
            Self::NotGranted { missing } => {
                let grants = missing.iter().map(|missing| missing.grant).collect::<Vec<_>>().join(", ");
                let it = if missing.len() == 1 { "it" } else { "them" };
                format!("grant {it}: capabilities = {{ {grants} }} under [plugins.{plugin}]; or remove the import")
            }
            Self::UnknownImport { .. } => {
                let titles = |granted: bool| {
                    let of = capabilities::ALL.iter().filter(|capability| capability.grant.is_some() == granted);
                    of.map(|capability| capability.title).collect::<Vec<_>>()
                };
                let (always, granted) = (titles(false).join(", "), titles(true).join(" and "));
                format!("do without it: there are {always} and, where granted, {granted}")
            }
            Self::Import { .. } => "build it with the interfaces of the folder wit".into(),
            Self::MemoryLimit { bytes, .. } => {
                format!("raise limits.memory under [plugins.{plugin}] well above {bytes}")
            }
            Self::Limit { name, least, most, .. } => {
                format!("set limits.{name} under [plugins.{plugin}] to a value from {least} to {most}")
            }
            Self::Engine(_) => "check the limits on address space and threads of this process".into(),
        }
    }
}

/// An interface that has to be granted, and was not.
#[derive(Debug)]
pub struct Missing {
    /// The import.
    pub import: Box<str>,
    /// What would grant it.
    pub capability: &'static str,
    /// The entry of `capabilities` that would grant it, with places for its values.
    pub grant: &'static str,
}

fn imports(missing: &[Missing]) -> String {
    missing.iter().map(|missing| &*missing.import).collect::<Vec<_>>().join(" and ")
}

/// The contracts that there are.
fn known() -> String {
    Contract::ALL.map(Contract::name).join(", ")
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.refusal)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.refusal)
    }
}
