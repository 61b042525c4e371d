//! From an empty folder to a handled message, and from a save to the next, in every language: `cofferdam new`, then the
//! project's README word for word, then a save that does not build, then one that does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kit::{Host, Need, host, or_say_so};
use tempfile::TempDir;

/// Tools are installed into the project, and a language runtime is compiled.
const LONG: Duration = Duration::from_secs(600);

/// What differs.
struct Language {
    name: &'static str,
    /// The file of the handler.
    source: &'static str,
    /// Added to it, a mistake; and what the language's own tool says of it.
    mistake: (&'static str, &'static str),
    /// A part of its text for people, and what it is changed to.
    change: (&'static str, &'static str),
}

const PYTHON: Language = Language {
    name: "python",
    source: "hello_orders.py",
    mistake: ("\ndef broken(:\n", "SyntaxError"),
    change: ("at least one", "one or more"),
};
const RUST: Language = Language {
    name: "rust",
    source: "src/lib.rs",
    mistake: ("\nconst BROKEN: u8 = \"text\";\n", "mismatched types"),
    change: ("has no items", "has nothing in it"),
};
const JAVASCRIPT: Language = Language {
    name: "javascript",
    source: "src/handler.js",
    mistake: ("\nconst broken = ;\n", "Unexpected \";\""),
    change: ("with a quantity below 1", "with too small a quantity"),
};
const TYPESCRIPT: Language = Language {
    name: "typescript",
    source: "src/handler.ts",
    mistake: ("\nconst broken: number = \"text\";\n", "is not assignable to type 'number'"),
    change: ("with a quantity below 1", "with too small a quantity"),
};

const GO: Language = Language {
    name: "go",
    source: "handler.go",
    mistake: ("\nvar broken int = \"text\"\n", "cannot use \"text\""),
    change: (": a quantity of", ": too small a quantity,"),
};
const C: Language = Language {
    name: "c",
    source: "hello_orders.c",
    mistake: ("\nint broken = ;\n", "expected expression"),
    change: ("at least one", "one or more"),
};

#[tokio::test(flavor = "multi_thread")]
async fn go() {
    works(&GO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c() {
    works(&C).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    works(&PYTHON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust() {
    works(&RUST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript() {
    works(&JAVASCRIPT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript() {
    works(&TYPESCRIPT).await;
}

async fn works(language: &Language) {
    let empty = TempDir::new().expect("a temporary folder can be made");
    let Some(()) = or_say_so(new(language, empty.path()).await) else { return };
    let project = empty.path().join("hello-orders");
    let readme = std::fs::read_to_string(project.join("README.md")).expect("it has one");
    let commands = commands(&readme);
    assert!(commands.contains(&"cofferdam dev"), "{commands:?}");

    for command in commands {
        match command {
            "cofferdam dev" => develop(language, &project).await,
            _ => run(command, &project),
        }
    }
}

/// `cofferdam dev`: the first messages, a mistake, and a change.
async fn develop(language: &Language, project: &Path) {
    let host = host(["dev"]).current_dir(project).env("ADMIN_LISTEN", "127.0.0.1:0");
    // Whoever shares a target folder among projects has this set.
    let elsewhere = TempDir::new().expect("a temporary folder can be made");
    let mut host = host.env("CARGO_TARGET_DIR", elsewhere.path()).listening().start();
    host.says("-- 3 received: 2 done, 1 dead letter, 2 outputs", LONG).await;
    save(language, project, &mut host).await;
    host.tell("q");
    assert_eq!(host.wait(LONG).await.code(), Some(0));
}

/// Makes the project.
async fn new(language: &Language, folder: &Path) -> Result<(), Need> {
    let made = host(["new", language.name, "hello-orders"]).current_dir(folder).start().wait(LONG).await;
    assert_eq!(made.code(), Some(0), "{:#?}", made.stderr);
    match made.stdout.iter().find(|line| line.contains("missing here")) {
        None => Ok(()),
        Some(missing) => Err(Need::Missing(missing.trim().to_owned())),
    }
}

/// The lines of the README's shell blocks, without comments.
fn commands(readme: &str) -> Vec<&str> {
    let mut within = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        match line {
            "```sh" => within = true,
            "```" => within = false,
            _ if within => commands.push(line.split(" #").next().unwrap_or(line).trim()),
            _ => {}
        }
    }
    commands
}

/// As a person does who has `cofferdam` in the path.
fn run(command: &str, project: &Path) {
    let folder = kit::host::binary().parent().expect("it is in a folder");
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-ec", command]).current_dir(project).stdin(Stdio::null()).env("PATH", path.expect("folders"));
    let output = shell.output().expect("there is a shell");
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).join("\n");
    assert!(output.status.success(), "{command}: {}\n{said}", output.status);
}

/// A mistake is explained and stops nothing; what is right is seen with the next message.
async fn save(language: &Language, project: &Path, host: &mut Host) {
    let file = project.join(language.source);
    let right = std::fs::read_to_string(&file).expect("the handler is there");
    let (mistake, words) = language.mistake;
    std::fs::write(&file, format!("{right}{mistake}")).expect("it can be written");
    host.says(words, LONG).await;
    host.says("keeping the previous version", LONG).await;
    host.tell("r");
    host.says("-- 4 received", LONG).await;

    let (from, to) = language.change;
    assert!(right.contains(from), "{right}");
    std::fs::write(&file, right.replace(from, to)).expect("it can be written");
    host.says("hello-orders is new", LONG).await;
    let invalid = project.join("input/hello-orders.in.jsonl");
    host.tell(&format!("s {}", invalid.display()));
    let refused = host.says(to, LONG).await;
    assert!(refused.starts_with("dead letter"), "{refused}");
}
