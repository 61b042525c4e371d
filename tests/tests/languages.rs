//! From an empty folder to a handled message, and from a save to the next message, in every language: `cofferdam new`,
//! then the commands of the project's README, then a save that does not build, then one that does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kit::{Host, Need, host, or_say_so};
use tempfile::TempDir;

/// Tools are installed into the project, and a language runtime is compiled.
const LONG: Duration = Duration::from_secs(600);

/// What differs between languages.
struct Language {
    name: &'static str,
    /// The file of the handler.
    source: &'static str,
    /// A mistake that is added to it, and the text that the language's tool prints about it.
    mistake: (&'static str, &'static str),
    /// A part of its visible text, and the replacement.
    change: (&'static str, &'static str),
    uncaught: Uncaught,
}

/// An error that the handler does not catch.
struct Uncaught {
    /// A part of the handler, and the replacement.
    change: (&'static str, &'static str),
    /// Texts in the line of the failed message.
    says: [&'static str; 2],
}

const PYTHON: Language = Language {
    name: "python",
    source: "hello_orders/handler.py",
    mistake: ("\ndef broken(:\n", "SyntaxError"),
    change: ("at least one", "one or more"),
    uncaught: Uncaught {
        change: (
            "def price_of(item: object) -> float:\n",
            "from hello_orders import schema\n\n\ndef price_of(item: object) -> float:\n    schema.check(item)\n",
        ),
        says: ["UNCAUGHT_EXCEPTION", ": KeyError: 'nope' (hello_orders/schema.py:2)"],
    },
};
const RUST: Language = Language {
    name: "rust",
    source: "src/lib.rs",
    mistake: ("\nconst BROKEN: u8 = \"text\";\n", "mismatched types"),
    change: ("has no items", "has nothing in it"),
    uncaught: Uncaught {
        change: ("    let total =", "    assert!(order.order.is_empty(), \"nope\");\n    let total ="),
        says: ["TRAP_UNREACHABLE", ": panic: nope (src/lib.rs:"],
    },
};
const JAVASCRIPT: Language = Language {
    name: "javascript",
    source: "src/handler.js",
    mistake: ("\nconst broken = ;\n", "Unexpected \";\""),
    change: ("with a quantity below 1", "with too small a quantity"),
    uncaught: Uncaught {
        change: ("  const sum", "  null.nope;\n  const sum"),
        says: ["UNCAUGHT_EXCEPTION", ": TypeError: cannot read property 'nope' of null (src/handler.js:"],
    },
};
const TYPESCRIPT: Language = Language {
    name: "typescript",
    source: "src/handler.ts",
    mistake: ("\nconst broken: number = \"text\";\n", "is not assignable to type 'number'"),
    change: ("with a quantity below 1", "with too small a quantity"),
    uncaught: Uncaught {
        change: ("  const sum", "  (null as any).nope;\n  const sum"),
        says: ["UNCAUGHT_EXCEPTION", ": TypeError: cannot read property 'nope' of null (src/handler.ts:"],
    },
};

const GO: Language = Language {
    name: "go",
    source: "handler/handler.go",
    mistake: ("\nvar broken int = \"text\"\n", "cannot use \"text\""),
    change: (": a quantity of", ": too small a quantity,"),
    uncaught: Uncaught {
        change: ("\ttotal := 0.0", "\tvar none []float64\n\ttotal := none[len(order.Items)]"),
        says: ["UNCAUGHT_EXCEPTION", ": panic: runtime error: index out of range [2] with length 0 (handler.go:"],
    },
};
const C: Language = Language {
    name: "c",
    source: "hello_orders.c",
    mistake: ("\nint broken = ;\n", "expected expression"),
    change: ("at least one", "one or more"),
    uncaught: Uncaught {
        change: ("    total = round(", "    if (total > 0)\n        cofferdam_abort(\"nope\");\n    total = round("),
        says: ["TRAP_UNREACHABLE", ": nope (wasm trap:"],
    },
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

    for command in &commands {
        match *command {
            "cofferdam dev" => develop(language, &project).await,
            command => run(command, &project),
        }
    }
    match language.name {
        "python" => a_package_that_was_added_is_there_in_tests(&commands, &project),
        "typescript" => a_type_error_in_a_test_stops_no_build(&project),
        _ => {}
    }
    the_page_of_the_sdk_runs(language, &project);
}

/// Checks that the first snippet of the SDK's page is a handler that handles the message in the line after it.
fn the_page_of_the_sdk_runs(language: &Language, project: &Path) {
    let (sdk, kind) = match language.name {
        "javascript" => ("js", "js"),
        "typescript" => return,
        name => (name, name),
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk").join(sdk).join("README.md");
    let page = std::fs::read_to_string(page).expect("it has a page");
    let (_, snippet) = page.split_once(&format!("```{kind}\n")).expect("it begins with a handler");
    let (snippet, _) = snippet.split_once("```").expect("the handler ends");
    std::fs::write(project.join(language.source), snippet).expect("it can be written");
    let (build, built) = match language.name {
        "rust" => ("cargo build --release --target wasm32-wasip2", "target/wasm32-wasip2/release/hello_orders.wasm"),
        _ => ("sh build.sh", "hello-orders.wasm"),
    };
    run(build, project);
    let line = commands(&page).into_iter().find(|command| command.contains("cofferdam invoke")).expect("it says how");
    let words = line.split(' ').map(|word| if word.ends_with(".wasm") { built } else { word });
    run(&words.collect::<Vec<_>>().join(" "), project);
}

/// Adds a package as the README describes, after the first build: a line in `requirements.txt`, a build, and the tests.
fn a_package_that_was_added_is_there_in_tests(commands: &[&str], project: &Path) {
    let add = |name: &str, text: &str| {
        let file = project.join(name);
        std::fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder can be made");
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, before + text).expect("it can be written");
    };
    let build = "[build-system]\nrequires = [\"hatchling>=1.27\"]\nbuild-backend = \"hatchling.build\"\n";
    add("rounding/pyproject.toml", &format!("{build}[project]\nname = \"rounding\"\nversion = \"1.0\"\n"));
    add("rounding/src/rounding/__init__.py", "PLACES = 2\n");
    add("requirements.txt", "./rounding\n");
    add("test_hello_orders.py", "\n\nimport rounding  # noqa: E402\nassert rounding.PLACES == 2\n");
    run("sh build.sh", project);
    let test = commands.iter().find(|command| command.contains("unittest")).expect("the README says how to test");
    run(test, project);
}

fn a_type_error_in_a_test_stops_no_build(project: &Path) {
    let test = project.join("test/handler.test.ts");
    let right = std::fs::read_to_string(&test).expect("it has a test");
    std::fs::write(&test, format!("{right}\nconst broken: number = \"text\";\n")).expect("it can be written");
    run("sh build.sh", project);
}

/// Runs `cofferdam dev`: the first messages, a mistake, and a change.
async fn develop(language: &Language, project: &Path) {
    let host = host(["dev"]).current_dir(project).env("ADMIN_LISTEN", "127.0.0.1:0");
    // Developers who share a target folder among projects have this set.
    let elsewhere = TempDir::new().expect("a temporary folder can be made");
    let mut host = host.env("CARGO_TARGET_DIR", elsewhere.path()).listening().start();
    host.says("-- 3 received: 2 done, 1 dead letter, 2 outputs", LONG).await;
    save(language, project, &mut host).await;
    fail(language, project, &mut host).await;
    host.tell("q");
    assert_eq!(host.wait(LONG).await.code(), Some(0));
}

/// Creates the project.
async fn new(language: &Language, folder: &Path) -> Result<(), Need> {
    let made = host(["new", language.name, "hello-orders"]).current_dir(folder).start().wait(LONG).await;
    assert_eq!(made.code(), Some(0), "{:#?}", made.stderr);
    match made.stdout.iter().find(|line| line.contains("missing here")) {
        None => Ok(()),
        Some(missing) => Err(Need::Missing(missing.trim().to_owned())),
    }
}

/// Returns the lines of the README's shell blocks, without comments.
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

/// Runs a command with `cofferdam` in the path.
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

/// Saves a mistake, which is explained and stops nothing, and then a change, which takes effect with the next message.
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
    host.says("hello-orders replaced", LONG).await;
    let invalid = project.join("input/hello-orders.in.jsonl");
    host.tell(&format!("s {}", invalid.display()));
    let refused = host.says(to, LONG).await;
    assert!(refused.starts_with("dead letter"), "{refused}");
}

/// Saves a handler with an uncaught error, which is reported in one line with its location, and then a working handler.
async fn fail(language: &Language, project: &Path, host: &mut Host) {
    let file = project.join(language.source);
    let right = std::fs::read_to_string(&file).expect("the handler is there");
    let Uncaught { change: (from, to), says } = &language.uncaught;
    assert!(right.contains(from), "{right}");
    // A module that the handler imports is a source too; the error is in it.
    let module = project.join("hello_orders/schema.py");
    let mut builds = 2;
    if language.name == "python" {
        std::fs::write(&module, "def check(item): pass\n").expect("it can be written");
    }
    std::fs::write(&file, right.replace(from, to)).expect("it can be written");
    host.says_times("hello-orders replaced", builds, LONG).await;
    if language.name == "python" {
        std::fs::write(&module, "def check(item):\n    return {}[\"nope\"]\n").expect("it can be written");
        builds += 1;
        host.says_times("hello-orders replaced", builds, LONG).await;
    }
    host.tell(&format!("s {}", project.join("input/hello-orders.in.jsonl").display()));
    let told = host.says(says[1], LONG).await;
    assert!(told.contains(says[0]) && !told.contains("\\n"), "{told}");
    std::fs::write(&file, right).expect("it can be written");
    host.says_times("hello-orders replaced", builds + 1, LONG).await;
}
