//! Why a plugin is not loaded: where, what, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::CONTRACT;
use super::compile::FILE;

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
    #[error("the file cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The file is larger than what is compiled.
    #[error("the file has {size} bytes, at most {FILE} are taken")]
    TooLarge {
        /// Its size, bytes.
        size: usize,
    },
    /// Something else than WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// WebAssembly, but without the types of a component.
    #[error("the file is a core module, not a component")]
    CoreModule,
    /// It does not validate.
    #[error("the component is not valid: {reason}")]
    Invalid {
        /// wasmtime's words.
        reason: String,
    },
    /// It has more memories, tables or parts than a slot of the pool.
    #[error("the component does not fit into the sandbox: {reason}")]
    DoesNotFit {
        /// wasmtime's words.
        reason: String,
    },
    /// No handler of any version.
    #[error("the component exports no handler")]
    NoHandler,
    /// A handler of another version of the contract.
    #[error("the component exports {export}; this host speaks {CONTRACT}")]
    OtherContract {
        /// The export.
        export: Box<str>,
    },
    /// A handler of this version in name only.
    #[error("the handler has another type than {CONTRACT} says: {reason}")]
    WrongType {
        /// wasmtime's words.
        reason: String,
    },
    /// An interface that has to be granted, and was not.
    #[error("the plugin imports {import}, which it was not granted")]
    NotGranted {
        /// The import.
        import: Box<str>,
        /// What would grant it.
        capability: &'static str,
    },
    /// An interface that this host does not have.
    #[error("the plugin imports {import}, which this host does not offer")]
    UnknownImport {
        /// The import.
        import: Box<str>,
    },
    /// An interface that this host has with other functions or types.
    #[error("an import of the plugin does not fit: {reason}")]
    Import {
        /// wasmtime's words.
        reason: String,
    },
    /// It has more memory from the start than it may have.
    #[error("the plugin starts with {bytes} bytes of memory, its limit is {limit}")]
    MemoryLimit {
        /// What it starts with, bytes.
        bytes: u64,
        /// Its limit, bytes.
        limit: usize,
    },
    /// A limit that the sandbox cannot keep.
    #[error("the limit {name} is {value}")]
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
            Self::TooLarge { .. } => "leave debug information and data files out of the component".into(),
            Self::NotWasm => "name the .wasm file that the build made".into(),
            Self::CoreModule => {
                "build a component: for Rust the target wasm32-wasip2, for others wrap the module with its adapter"
                    .into()
            }
            Self::Invalid { .. } => "build it again; the file may have been cut".into(),
            Self::DoesNotFit { .. } => "link it with fewer or smaller memories and tables".into(),
            Self::NoHandler => format!("export the interface handler of {CONTRACT}; the folder wit has it"),
            Self::OtherContract { .. } | Self::WrongType { .. } => {
                format!("build it with an SDK for {CONTRACT}")
            }
            Self::NotGranted { capability, .. } => {
                let grant = if *capability == "http" { "[\"<host>\"]" } else { "\"<name>\"" };
                format!("grant it: capabilities = {{ {capability} = {grant} }} under [plugins.{plugin}]; or do without")
            }
            Self::UnknownImport { .. } => {
                "do without it: there are WASI 0.2, wasi:config, wasi:logging and, where granted, wasi:keyvalue and wasi:http"
                    .into()
            }
            Self::Import { .. } => "build it with the interfaces of the folder wit".into(),
            Self::MemoryLimit { bytes, .. } => {
                format!("raise limits.memory under [plugins.{plugin}] to well over {bytes}")
            }
            Self::Limit { name, least, most, .. } => {
                format!("set limits.{name} under [plugins.{plugin}] between {least} and {most}")
            }
            Self::Engine(_) => "see the limits on address space and threads of this process".into(),
        }
    }
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
