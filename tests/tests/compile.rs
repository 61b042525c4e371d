//! Compiling an untrusted component has limits, and the result is the same as when the host compiles it itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam::plugin::{CompileBounds, Engine, EngineConfig, Plugin, Refusal, Spec};
use cofferdam_core::outcome::Class;
use kit::probe::message;

/// Returns a component whose only function has about `size` bytes: values that live from its begin to its end, over as
/// many branches as fit. This is the most expensive input of a compiler.
fn one_function(size: usize) -> Vec<u8> {
    const VALUES: usize = 256;
    let (mut body, mut turn) = (b"\x01\x80\x02\x7f".to_vec(), 0);
    while body.len() <= size {
        // (if (local.get 1) (then (local.set $one (i32.add (local.get $one) (local.get $other)))))
        let [one, other] = [turn, 7 * turn + 3].map(|value| number(2 + value % VALUES));
        body.extend([b"\x20\x01\x04\x40\x20", &*one, b"\x20", &*other, b"\x6a\x21", &*one, b"\x0b"].concat());
        turn += 1;
    }
    body.push(0x0b);
    let code = [number(1), number(body.len()), body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        // (type (func (param i32 i32))), and a function of that type
        b"\x01\x06\x01\x60\x02\x7f\x7f\x00\x03\x02\x01\x00".to_vec(),
        b"\x0a".to_vec(),
        number(code.len()),
        code,
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), b"\x01".to_vec(), number(module.len()), module].concat()
}

/// LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn engine(compiler: impl Into<PathBuf>, compile: CompileBounds, cache: Option<&Path>) -> Engine {
    let (compiler, cache) = (Some(compiler.into()), cache.map(Path::to_path_buf));
    Engine::new(EngineConfig { instances: 10, compiler, compile, cache, ..EngineConfig::default() }).expect("an engine")
}

/// Returns why the component is refused, and how long that took.
fn refused(bytes: &[u8], compiler: impl Into<PathBuf>, bounds: CompileBounds) -> (Refusal, Duration) {
    let engine = engine(compiler, bounds, None);
    let started = Instant::now();
    let refusal = Plugin::load(&engine, bytes, Spec::new("large")).expect_err("it is refused").refusal;
    println!("{refusal}, after {:?}", started.elapsed());
    (refusal, started.elapsed())
}

fn bounds() -> CompileBounds {
    CompileBounds::default()
}

#[test]
fn a_function_of_4_mb_is_refused_when_its_time_is_over() {
    let component = one_function(4 << 20);
    let limit = Duration::from_secs(1);
    let (refusal, took) = refused(&component, kit::host::binary(), CompileBounds { time: limit, ..bounds() });
    assert!(matches!(refusal, Refusal::CompileTime { limit: told } if told == limit), "{refusal:?}");
    // One second of CPU time; at most twice that by the wall clock, and the time to start and to notice the end.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_function_of_4_mb_is_refused_when_its_memory_is_full() {
    let component = one_function(4 << 20);
    let limit = 128 << 20;
    let (refusal, _) = refused(&component, kit::host::binary(), CompileBounds { memory: limit, ..bounds() });
    assert!(matches!(refusal, Refusal::CompileMemory { limit: told } if told == limit), "{refusal:?}");
}

#[test]
fn a_large_file_is_refused_before_anything_looks_at_it() {
    let component = one_function(1 << 20);
    let (refusal, _) = refused(&component, "/nowhere", CompileBounds { size: 1 << 20, ..bounds() });
    assert!(matches!(refusal, Refusal::TooLarge { most } if most == 1 << 20), "{refusal:?}");
    let engine = engine("/nowhere", bounds(), None);
    let endless = Plugin::open(&engine, Path::new("/dev/zero"), Spec::new("large")).expect_err("it is refused");
    assert!(matches!(endless.refusal, Refusal::TooLarge { .. }), "{endless:?}");
}

/// Returns the file descriptors of a compiler process that this process has started and that has confined itself;
/// `None` if there is none.
fn descriptors_of_a_compiler() -> Option<Vec<String>> {
    let own = std::process::id().to_string();
    let mut processes = std::fs::read_dir("/proc").expect("this is Linux").flatten().map(|entry| entry.path());
    processes.find_map(|process| {
        // It may end at any moment.
        let read = |name: &str| std::fs::read_to_string(process.join(name)).ok();
        let (stat, command) = (read("stat")?, read("cmdline")?);
        let (_, rest) = stat.rsplit_once(") ")?;
        if rest.split(' ').nth(1) != Some(&own) || !command.contains("\0compile\0") {
            return None;
        }
        if !read("status")?.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])) {
            return None;
        }
        let descriptors = std::fs::read_dir(process.join("fd")).ok()?.flatten();
        let mut descriptors: Vec<_> = descriptors.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        descriptors.sort();
        (!descriptors.is_empty()).then_some(descriptors)
    })
}

#[test]
fn the_compiler_has_its_three_files_and_asks_nothing_else_of_the_kernel() {
    // An open descriptor without close-on-exec, as some C libraries leave them.
    let open = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let slow = one_function(4 << 20);
    let compiling = std::thread::spawn(move || {
        refused(&slow, kit::host::binary(), CompileBounds { time: Duration::from_secs(3), ..bounds() })
    });
    let descriptors = loop {
        assert!(!compiling.is_finished(), "it was not seen");
        if let Some(descriptors) = descriptors_of_a_compiler() {
            break descriptors;
        }
    };
    assert_eq!(descriptors, ["0", "1", "2"]);
    assert!(matches!(compiling.join().unwrap().0, Refusal::CompileTime { .. }));
}

#[test]
fn a_compiler_that_stands_still_is_killed_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("still");
    std::fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    let mut permissions = std::fs::metadata(&program).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
    std::fs::set_permissions(&program, permissions).unwrap();
    let limit = Duration::from_secs(1);
    let (refusal, took) = refused(&one_function(10), program, CompileBounds { time: limit, ..bounds() });
    assert!(matches!(refusal, Refusal::CompileTime { .. }), "{refusal:?}");
    assert!((2..20).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_compiler_that_is_none_is_said_to_be_at_fault_and_a_wrong_component_as_ever() {
    for program in ["/nowhere/cofferdam", "/bin/false", "/bin/true"] {
        let (refusal, _) = refused(&one_function(10), program, bounds());
        assert!(matches!(refusal, Refusal::Compiler { .. }), "{program}: {refusal:?}");
    }
    let component = one_function(1_000);
    let (refusal, _) = refused(&component[..component.len() / 2], kit::host::binary(), bounds());
    assert!(matches!(&refusal, Refusal::Invalid { reason } if reason.contains("out of bounds")), "{refusal:?}");
    let (refusal, _) = refused(&component, kit::host::binary(), bounds());
    assert!(matches!(refusal, Refusal::NoHandler), "{refusal:?}");
}

#[tokio::test]
async fn what_was_compiled_apart_runs_here_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let probe = kit::guest("probe");
    // Without a cache; with an empty cache; with a filled cache and no compiler.
    let engines = [
        engine(kit::host::binary(), bounds(), None),
        engine(kit::host::binary(), bounds(), Some(&cache)),
        engine("/nowhere", bounds(), Some(&cache)),
    ];
    for engine in engines {
        let plugin = Plugin::open(&engine, &probe, Spec::new("probe")).unwrap();
        let attempt = plugin.handle(&message(r#"{"do": "echo"}"#), 1).await;
        assert_eq!(attempt.outcome.class(), Class::Done, "{attempt:?}");
        // The failure has a name, so names and traps are part of the compiled code.
        let attempt = plugin.handle(&message(r#"{"do": "panic"}"#), 1).await;
        assert_eq!(attempt.outcome.class(), Class::Trapped, "{attempt:?}");
    }
}

#[tokio::test]
async fn the_owner_of_the_host_bounds_what_check_compiles() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.wasm"), one_function(4 << 20)).unwrap();
    let configuration = r#"
        service = { name = "compile" }
        kafka = { bootstrap_servers = "127.0.0.1:1" }
        sandbox = { compile = { time = "1s" } }
        plugins = { large = { path = "large.wasm" } }
        routes = [{ name = "large", from = { kafka = ["orders"], group = "large" }, handler = "large" }]
    "#;
    std::fs::write(folder.path().join("cofferdam.toml"), configuration).unwrap();
    let ended = kit::host(["check", "--json"]).current_dir(folder.path()).start().wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(78), "{:?}", ended.stderr);
    assert!(ended.stdout[0].contains("compile time limit of 1s exceeded"), "{:?}", ended.stdout);
    assert!(ended.stdout[0].contains("raise compile.time under [sandbox]"), "{:?}", ended.stdout);
}

#[tokio::test]
async fn people_are_not_shown_the_command_that_compiles() {
    let ended = kit::host(["--help"]).start().wait(Duration::from_secs(60)).await;
    assert_eq!(ended.code(), Some(0));
    assert!(!ended.stdout.iter().any(|line| line.trim_start().starts_with("compile")), "{:?}", ended.stdout);
}
