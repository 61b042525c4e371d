//! The languages: their templates and SDKs, which are in the binary, and what their tool chains need.

use std::process::{Command, Stdio};

use clap::ValueEnum;
use include_dir::{Dir, include_dir};

/// A language that a handler can be begun in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
}

/// Something that has to be on the machine.
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// What installs it.
    pub(super) install: &'static str,
    /// A command that ends well where it is there, and what it is to say.
    look: (&'static str, &'static [&'static str], &'static str),
}

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust");

impl Language {
    pub(super) fn spoken(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
        }
    }

    /// The SDK with its templates.
    pub(super) fn sdk(self) -> &'static Dir<'static> {
        match self {
            Self::Rust => &RUST,
        }
    }

    /// The folder of its template in the SDK.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Rust => "template",
        }
    }

    /// What runs the template's own tests.
    pub(super) fn test(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
        }
    }

    pub(super) fn missing_tools(self) -> impl Iterator<Item = Tool> {
        let tools = match self {
            Self::Rust => [
                Tool { name: "cargo", install: "see https://rustup.rs", look: ("cargo", &["--version"], "cargo") },
                Tool {
                    name: "Rust's target wasm32-wasip2",
                    install: "rustup target add wasm32-wasip2",
                    look: ("rustup", &["target", "list", "--installed"], "wasm32-wasip2"),
                },
            ],
        };
        tools.into_iter().filter(|tool| !tool.is_there())
    }
}

impl Tool {
    fn is_there(&self) -> bool {
        let (program, arguments, said) = self.look;
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).contains(said))
    }
}
