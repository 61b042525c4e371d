//! Why a plugin is not loaded, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::plugin::contract::Contract;
use crate::plugin::host::capabilities;

/// Maximum nesting of components and modules, counting the outermost. Linkers produce two or three levels.
pub(super) const DEPTH: usize = 32;

/// A plugin that cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The plugin's name in the configuration.
    pub plugin: Box<str>,
    /// Its file; `None` if it was loaded from bytes.
    pub path: Option<PathBuf>,
    /// The reason.
    pub refusal: Refusal,
}

/// Why a plugin cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("failed to read the file: {0}")]
    Unreadable(#[source] io::Error),
    /// The file is larger than the limit.
    #[error("the file exceeds compile.size of {most} bytes")]
    TooLarge {
        /// The limit in bytes.
        most: u64,
    },
    /// Compiling took too much CPU time.
    #[error("compile time limit of {limit:?} exceeded")]
    CompileTime {
        /// The limit on CPU time.
        limit: Duration,
    },
    /// Compiling it took too much memory.
    #[error("compile memory limit of {limit} bytes exceeded")]
    CompileMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// The compiler program could not be started, or failed for another reason than its limits.
    #[error("the compiler failed: {reason}")]
    Compiler {
        /// How it ended, and its standard error.
        reason: String,
    },
    /// The file is not WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// A core module that is not a handler.
    #[error("failed to build a component from the core module: {reason}")]
    CoreModule {
        /// The reason.
        reason: String,
    },
    /// The component is invalid.
    #[error("invalid component: {reason}")]
    Invalid {
        /// The message of wasmtime.
        reason: String,
    },
    /// Components are nested deeper than linkers produce.
    #[error("components are nested more than {DEPTH} deep")]
    TooDeep,
    /// The component has more memories, tables or parts than a slot of the pool.
    #[error("the component exceeds a limit of the sandbox: {reason}")]
    DoesNotFit {
        /// The message of wasmtime.
        reason: String,
    },
    /// The component exports no handler of any version.
    #[error("the component exports no handler")]
    NoHandler,
    /// The component exports a handler of another version of the contract.
    #[error("the component exports {export}; expected one of {}", known())]
    OtherContract {
        /// The export.
        export: Box<str>,
    },
    /// The export has the name of a handler, but another type.
    #[error("the handler does not have the type of {}: {reason}", .contract.name())]
    WrongType {
        /// The contract that the name belongs to.
        contract: Contract,
        /// The message of wasmtime.
        reason: String,
    },
    /// The plugin imports interfaces that need a grant and were not granted.
    #[error("the plugin imports {} without a grant", imports(.missing))]
    NotGranted {
        /// One entry per missing capability.
        missing: Vec<Missing>,
    },
    /// The plugin imports an interface that this host does not have.
    #[error("the plugin imports {import}, which this host does not support")]
    UnknownImport {
        /// The import.
        import: Box<str>,
    },
    /// The plugin imports an interface that this host has with other functions or types.
    #[error("import has an incompatible type: {reason}")]
    Import {
        /// The message of wasmtime.
        reason: String,
    },
    /// The plugin's initial memory exceeds its limit.
    #[error("the plugin starts with {bytes} bytes of memory; its limit is {limit}")]
    MemoryLimit {
        /// The initial memory in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A configured limit is outside the range that the sandbox can enforce.
    #[error("invalid limit {name}: {value}")]
    Limit {
        /// The name of the limit.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The smallest valid value.
        least: u64,
        /// The largest valid value.
        most: u64,
    },
    /// The sandbox could not be set up.
    #[error("{0}")]
    Engine(String),
}

impl LoadError {
    /// Returns plugin name and file.
    pub fn place(&self) -> String {
        match &self.path {
            Some(path) => format!("plugin {} ({})", self.plugin, path.display()),
            None => format!("plugin {}", self.plugin),
        }
    }

    /// Returns what to do about it.
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
                format!("remove the import; available are {always}, and with a grant {granted}")
            }
            Self::Import { .. } => "build it with the interfaces in the folder wit".into(),
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

/// An import that needs a grant and was not granted.
#[derive(Debug)]
pub struct Missing {
    /// The import.
    pub import: Box<str>,
    /// The capability that grants it.
    pub capability: &'static str,
    /// The entry of `capabilities` that grants it, with placeholders for values.
    pub grant: &'static str,
}

fn imports(missing: &[Missing]) -> String {
    missing.iter().map(|missing| &*missing.import).collect::<Vec<_>>().join(" and ")
}

/// Returns the names of all contracts.
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
