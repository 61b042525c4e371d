//! The languages: their templates and SDKs, which are embedded in the binary, and the tools that they need.

use std::process::{Command, Stdio};

use clap::ValueEnum;
use include_dir::{Dir, include_dir};

/// A language that a handler can be begun in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    Python,
    Javascript,
    Typescript,
    Go,
    C,
}

/// A tool that must be installed.
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// How to install it.
    pub(super) install: &'static str,
    /// A command that succeeds if the tool is installed, and the text that its output must contain.
    look: (&'static str, &'static [&'static str], &'static str),
}

/// The parts of an SDK package: folders by their path in it, and files.
pub(super) struct Sdk {
    pub(super) folders: &'static [(&'static str, &'static Dir<'static>)],
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// Folders are listed one by one, because in a working copy tools write files beside them.
macro_rules! folder {
    ($name:ident, $path:tt) => {
        static $name: Dir<'_> = include_dir!($path);
    };
}

/// A file of this repository.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $path))
    };
}

folder!(WIT, "$CARGO_MANIFEST_DIR/../wit/v1");

folder!(RUST_SOURCE, "$CARGO_MANIFEST_DIR/../sdk/rust/src");
folder!(RUST_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/rust/template");
const RUST: Sdk = Sdk {
    folders: &[("src", &RUST_SOURCE), ("wit", &WIT)],
    files: &[("Cargo.toml", file!("sdk/rust/Cargo.toml")), ("README.md", file!("sdk/rust/README.md"))],
};

// Includes the contract, by a symbolic link.
folder!(PYTHON_SOURCE, "$CARGO_MANIFEST_DIR/../sdk/python/src");
folder!(PYTHON_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/python/template");
const PYTHON: Sdk = Sdk {
    folders: &[("src", &PYTHON_SOURCE)],
    files: &[("pyproject.toml", file!("sdk/python/pyproject.toml")), ("README.md", file!("sdk/python/README.md"))],
};

folder!(JS_SOURCE, "$CARGO_MANIFEST_DIR/../sdk/js/src");
folder!(JS_PROGRAMS, "$CARGO_MANIFEST_DIR/../sdk/js/bin");
folder!(JS_TYPES, "$CARGO_MANIFEST_DIR/../sdk/js/types");
folder!(JS_WASI, "$CARGO_MANIFEST_DIR/../sdk/js/wasi");
folder!(JS_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/js/template");
folder!(TS_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/js/template-ts");
const JS: Sdk = Sdk {
    folders: &[("src", &JS_SOURCE), ("bin", &JS_PROGRAMS), ("types", &JS_TYPES), ("wasi", &JS_WASI), ("wit/v1", &WIT)],
    files: &[("package.json", file!("sdk/js/package.json")), ("README.md", file!("sdk/js/README.md"))],
};

folder!(GO_BATCH, "$CARGO_MANIFEST_DIR/../sdk/go/batch");
folder!(GO_CLOUDEVENTS, "$CARGO_MANIFEST_DIR/../sdk/go/cloudevents");
folder!(GO_COFFERDAMSLOG, "$CARGO_MANIFEST_DIR/../sdk/go/cofferdamslog");
folder!(GO_COFFERDAMTEST, "$CARGO_MANIFEST_DIR/../sdk/go/cofferdamtest");
folder!(GO_CONFIG, "$CARGO_MANIFEST_DIR/../sdk/go/config");
folder!(GO_HTTP, "$CARGO_MANIFEST_DIR/../sdk/go/http");
folder!(GO_INTERNAL, "$CARGO_MANIFEST_DIR/../sdk/go/internal");
folder!(GO_KEYVALUE, "$CARGO_MANIFEST_DIR/../sdk/go/keyvalue");
folder!(GO_LOG, "$CARGO_MANIFEST_DIR/../sdk/go/log");
folder!(GO_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/go/template");
const GO: Sdk = Sdk {
    folders: &[
        ("batch", &GO_BATCH),
        ("cloudevents", &GO_CLOUDEVENTS),
        ("cofferdamslog", &GO_COFFERDAMSLOG),
        ("cofferdamtest", &GO_COFFERDAMTEST),
        ("config", &GO_CONFIG),
        ("http", &GO_HTTP),
        ("internal", &GO_INTERNAL),
        ("keyvalue", &GO_KEYVALUE),
        ("log", &GO_LOG),
    ],
    files: &[
        ("README.md", file!("sdk/go/README.md")),
        ("attempt.go", file!("sdk/go/attempt.go")),
        ("cofferdam.go", file!("sdk/go/cofferdam.go")),
        ("failure.go", file!("sdk/go/failure.go")),
        ("go.mod", file!("sdk/go/go.mod")),
        ("message.go", file!("sdk/go/message.go")),
        ("output.go", file!("sdk/go/output.go")),
        ("plugin_wasip1.go", file!("sdk/go/plugin_wasip1.go")),
    ],
};

folder!(C_SOURCE, "$CARGO_MANIFEST_DIR/../sdk/c/src");
folder!(C_INCLUDE, "$CARGO_MANIFEST_DIR/../sdk/c/include");
folder!(C_TEMPLATE, "$CARGO_MANIFEST_DIR/../sdk/c/template");
const C: Sdk =
    Sdk { folders: &[("src", &C_SOURCE), ("include", &C_INCLUDE)], files: &[("README.md", file!("sdk/c/README.md"))] };

const CARGO: Tool = Tool { name: "cargo", install: "see https://rustup.rs", look: ("cargo", &["--version"], "cargo") };
const WASM_TARGET: Tool = Tool {
    name: "Rust's target wasm32-wasip2",
    install: "rustup target add wasm32-wasip2",
    look: ("rustup", &["target", "list", "--installed"], "wasm32-wasip2"),
};
const PYTHON_3_11: Tool = Tool {
    name: "Python 3.11 or newer, with venv",
    install: "on Debian and Ubuntu: apt install python3-venv; on macOS: brew install python",
    look: ("python3", &["-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))"], "True"),
};
const NODE: Tool = Tool {
    name: "Node.js 20 or newer, with npm",
    install: "see https://nodejs.org/en/download",
    look: ("node", &["-p", "parseInt(process.versions.node) >= 20"], "true"),
};
const NPM: Tool = Tool { name: "npm", install: "it comes with Node.js", look: ("npm", &["--version"], ".") };
const GO_1_24: Tool = Tool {
    name: "Go 1.24 or newer",
    install: "see https://go.dev/dl",
    // The command reads a module file that requires this version.
    look: ("sh", &["-c", "go version | sed -E 's/.*go1\\.([0-9]+).*/\\1/' | xargs test 24 -le && echo yes"], "yes"),
};
const CC: Tool = Tool {
    name: "a C compiler for the tests",
    install: "on Debian and Ubuntu: apt install gcc libc6-dev; on macOS: xcode-select --install",
    look: ("cc", &["--version"], "."),
};
const WASM_CC: Tool = Tool {
    name: "a C compiler for WebAssembly (zig, a wasi-sdk in WASI_SDK_PATH, or Python 3 with venv, which gets zig)",
    install: "see https://ziglang.org/download; on Debian and Ubuntu: apt install python3-venv",
    look: (
        "sh",
        &[
            "-c",
            "{ command -v zig || test -d \"$WASI_SDK_PATH\" || python3 -c 'import venv, ensurepip'; } >&2 && echo yes",
        ],
        "yes",
    ),
};

impl Language {
    pub(super) fn spoken(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::Typescript => "TypeScript",
            Self::Go => "Go",
            Self::C => "C",
        }
    }

    pub(super) fn sdk(self) -> Sdk {
        match self {
            Self::Rust => RUST,
            Self::Python => PYTHON,
            Self::Javascript | Self::Typescript => JS,
            Self::Go => GO,
            Self::C => C,
        }
    }

    pub(super) fn template(self) -> &'static Dir<'static> {
        match self {
            Self::Rust => &RUST_TEMPLATE,
            Self::Python => &PYTHON_TEMPLATE,
            Self::Javascript => &JS_TEMPLATE,
            Self::Typescript => &TS_TEMPLATE,
            Self::Go => &GO_TEMPLATE,
            Self::C => &C_TEMPLATE,
        }
    }

    pub(super) fn missing_tools(self) -> impl Iterator<Item = &'static Tool> {
        let tools: &[Tool] = match self {
            Self::Rust => const { &[CARGO, WASM_TARGET] },
            Self::Python => const { &[PYTHON_3_11] },
            Self::Javascript | Self::Typescript => const { &[NODE, NPM] },
            Self::Go => const { &[GO_1_24] },
            Self::C => const { &[CC, WASM_CC] },
        };
        tools.iter().filter(|tool| !tool.is_there())
    }
}

impl Tool {
    fn is_there(&self) -> bool {
        let (program, arguments, said) = self.look;
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).contains(said))
    }
}
