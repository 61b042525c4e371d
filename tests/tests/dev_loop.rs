//! `cofferdam dev` during development: builds that are interrupted, that write into their own sources, that are
//! repaired; misspelt names; and two `dev` processes at the same time.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use kit::{Host, Signal, eventually, guest, host};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(120);

/// A project: a configuration with this table for its plugin, and the component as `src/part`.
struct Project(TempDir);

impl Project {
    fn new(plugin: &str) -> Project {
        let project = Project(TempDir::new().expect("a temporary folder can be made"));
        project.write(
            "cofferdam.toml",
            &format!(
                r#"
                service = {{ name = "loop" }}
                kafka = {{ bootstrap_servers = "nowhere:9092" }}
                admin = {{ listen = "127.0.0.1:0" }}
                plugins.probe = {{ {plugin} }}
                [[routes]]
                name = "loop"
                from = {{ kafka = ["d.in"], group = "loop" }}
                handler = "probe"
                order = "partition"
                outputs = {{ out = {{ kafka = "out" }} }}
                "#
            ),
        );
        project.write("src/note", "");
        std::fs::copy(guest("probe"), project.path("src/part")).expect("it can be copied");
        project
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a temporary folder can be made");
        std::fs::write(path, text).expect("a temporary file can be written");
    }

    fn dev(&self, more: &[&str]) -> Host {
        let folder = self.0.path().to_str().expect("a path in unicode");
        host(["dev", folder].iter().chain(more)).listening().start()
    }

    /// Returns what a build wrote to this file, once the file exists.
    async fn written(&self, name: &str) -> String {
        eventually(name, SOON, async || {
            std::fs::read_to_string(self.path(name)).ok().filter(|text| text.ends_with('\n'))
        })
        .await
    }
}

fn lives(id: &str) -> bool {
    let state = std::fs::read_to_string(Path::new("/proc").join(id.trim()).join("stat")).unwrap_or_default();
    // A zombie has ended too.
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_ends_with_dev_however_that_ends() {
    let endings = [(Signal::INT, Some(130)), (Signal::TERM, Some(0)), (Signal::KILL, None)];
    for (signal, code) in endings {
        // A process that the build started ends too.
        let project = Project::new(r#"path = "src/part", build = "sh -c 'echo $$ > id; sleep 1000; :'; :""#);
        let mut dev = project.dev(&[]);
        let id = project.written("id").await;
        assert!(lives(&id));
        dev.signal(signal);
        eventually("the build has ended", SOON, async || (!lives(&id)).then_some(())).await;
        assert_eq!(dev.wait(SOON).await.code(), code, "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_build_that_a_save_has_started() {
    let build = "cp src/part p.wasm; if test -s src/note; then sh -c 'echo $$ > id; sleep 1000; :'; fi";
    let project = Project::new(&format!(r#"path = "p.wasm", build = "{build}", sources = ["src"]"#));
    let mut dev = project.dev(&[]);
    dev.says("h lists the commands", SOON).await;
    project.write("src/note", "saved");
    let id = project.written("id").await;
    dev.signal(Signal::INT);
    assert_eq!(dev.wait(SOON).await.code(), Some(130));
    eventually("the build has ended", SOON, async || (!lives(&id)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_may_redirect_and_one_that_is_mended_says_so() {
    let build = "cat src/part > p.wasm; test ! -e src/broken";
    let project = Project::new(&format!(r#"path = "p.wasm", build = "{build}""#));
    let mut dev = project.dev(&[]);
    dev.says("h lists the commands", SOON).await;
    project.write("src/broken", "");
    let started = dev.says("src/broken)", SOON).await;
    assert!(started.starts_with("build: cat src/part > p.wasm"), "{started}");
    dev.says("keeping the previous version", SOON).await;
    std::fs::remove_file(project.path("src/broken")).expect("it is there");
    dev.says("probe is valid again", SOON).await;
    // The same for a file that is not a plugin, and for the configuration.
    let right = std::fs::read_to_string(project.path("cofferdam.toml")).expect("it is there");
    project.write("cofferdam.toml", &right.replace("service", "servce"));
    dev.says("keeping the previous configuration", SOON).await;
    project.write("cofferdam.toml", &right);
    dev.says("the configuration is valid again", SOON).await;
    dev.tell("q");
    let ended = dev.wait(SOON).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_taken_away_is_missed_until_it_is_back_and_needs_no_other_start() {
    let build = "cp src/caller p.wasm";
    let project = Project::new(&format!(
        r#"path = "p.wasm", build = "{build}", sources = ["."], capabilities = {{ keyvalue = "caller", http = [] }}"#
    ));
    std::fs::copy(guest("caller"), project.path("src/caller")).expect("it can be copied");
    let mut dev = project.dev(&[]);
    dev.says("h lists the commands", SOON).await;
    let right = std::fs::read_to_string(project.path("cofferdam.toml")).expect("it is there");
    project.write("cofferdam.toml", &right.replace(r#"keyvalue = "caller", "#, ""));
    dev.says("keeping the previous version", SOON).await;
    // The saved sources, checked again, are still wrong; and neither the input nor the configuration is a source.
    project.write("input/d.in.jsonl", "{\"payload\": \"ok\"}\n");
    project.write("src/note", "saved");
    dev.says("(changed: src/note)", SOON).await;
    let route = r#"order = "partition""#;
    project.write("cofferdam.toml", &right.replace(route, r#"order = "key""#));
    dev.says("route `loop`", SOON).await;
    dev.says("probe is valid again", SOON).await;
    let said = dev.stderr();
    let builds = said.iter().filter(|line| line.starts_with("build: ")).count();
    assert_eq!(builds, 2, "{said:#?}");
    let well = said.iter().position(|line| line.contains("valid again"));
    let waits = said.iter().position(|line| line.contains("take effect at the next start: route `loop`"));
    assert!(well.is_some() && well > said.iter().position(|line| line.contains("(changed: src/note)")), "{said:#?}");
    assert!(waits.is_some(), "{said:#?}");
    assert!(said.iter().all(|line| !line.contains("the first grant of a key-value bucket")), "{said:#?}");
    project.write("cofferdam.toml", &right);
    dev.says("no pending change needs a restart", SOON).await;
    project.write("src/note", "saved again");
    dev.says("probe is unchanged", SOON).await;
    dev.tell("q");
    assert_eq!(dev.wait(SOON).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_announced_before_it_is_compiled_and_when_it_is_at_work() {
    let project = Project::new(r#"path = "p.wasm", build = "cat src/part > p.wasm""#);
    let mut dev = project.dev(&[]);
    dev.says("h lists the commands", SOON).await;
    std::fs::copy(guest("echo"), project.path("src/part")).expect("it can be copied");
    dev.says("is running after", SOON).await;
    let said = dev.stderr();
    let place =
        |text: &str| said.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {said:#?}"));
    assert!(place("probe: compiling sha256:") < place("probe replaced: sha256:"), "{said:#?}");
    dev.tell("q");
    assert_eq!(dev.wait(SOON).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_and_input_files_that_are_mistyped_are_named_with_what_was_meant() {
    let project = Project::new(r#"path = "src/part", build = "true", sources = ["scr"]"#);
    project.write("input/d.inn.jsonl", "{\"payload\": \"ok\"}\n");
    let ended = project.dev(&["--exit-when-idle"]).wait(SOON).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let file = project.path("cofferdam.toml");
    let source =
        format!("{}: plugins.probe.sources: source \"scr\" does not exist; did you mean \"src\"?", file.display());
    let input = "d.inn.jsonl: no route reads \"d.inn\"; did you mean \"d.in\"?";
    for told in [source.as_str(), input] {
        assert!(ended.stderr.iter().any(|line| line.contains(told)), "{told}: {:#?}", ended.stderr);
    }
    let checked = host(["check", "--config", file.to_str().expect("unicode")]).start().wait(SOON).await;
    assert_eq!(checked.code(), Some(0));
    assert!(checked.stderr.iter().any(|line| line.contains(&source)), "{:#?}", checked.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_an_input_file_is_said_once_and_a_byte_order_mark_is_passed_over() {
    let project = Project::new(r#"path = "src/part""#);
    project.write("input/d.in.jsonl", "\u{feff}{\"payload\": \"1\"}\n\n{\"payload\": \"2\"\n");
    let ended = project.dev(&["--exit-when-idle"]).wait(SOON).await;
    assert_eq!(ended.code(), Some(65));
    let [said] = ended.stderr.as_slice() else { panic!("{:#?}", ended.stderr) };
    assert!(said.ends_with("d.in.jsonl:3:15: EOF while parsing an object"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dev_takes_a_free_port_and_says_so_before_it_builds() {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a free port");
    let port = held.local_addr().expect("it is bound").port();
    let project = || {
        let project = Project::new(r#"path = "src/part", build = "until test -e go; do sleep 0.1; done""#);
        let text = std::fs::read_to_string(project.path("cofferdam.toml")).expect("it is there");
        project.write("cofferdam.toml", &text.replace("127.0.0.1:0", &format!("127.0.0.1:{port}")));
        project
    };
    let (one, other) = (project(), project());
    drop(held);
    let (mut first, mut second) = (one.dev(&[]), other.dev(&[]));
    // While both still build, the second one has already reported that the port is in use.
    let in_use = format!("127.0.0.1:{port} is in use; using a free port");
    eventually("the second knows", SOON, async || {
        let know = [&first, &second].map(|dev| dev.stderr().iter().any(|line| line.contains(&in_use)));
        (know != [false, false]).then_some(())
    })
    .await;
    let mut pages = Vec::new();
    for (project, dev) in [(&one, &mut first), (&other, &mut second)] {
        project.write("go", "");
        pages.push(dev.says("live view of messages: http://127.0.0.1:", SOON).await);
        dev.says("h lists the commands", SOON).await;
    }
    assert_ne!(pages[0], pages[1]);
    for mut dev in [first, second] {
        dev.tell("q");
        assert_eq!(dev.wait(SOON).await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_shown_with_key_and_payload() {
    let project = Project::new(r#"path = "src/part""#);
    project.write("input/d.in.jsonl", "{\"key\": \"k-1\", \"payload\": {\"do\": \"echo\", \"n\": 7}}\n");
    let ended = project.dev(&["--exit-when-idle"]).wait(SOON).await;
    let shown = ended.stdout.iter().find(|line| line.starts_with("    kafka:out key ")).expect("the output is shown");
    assert!(shown.ends_with(": {\"do\":\"echo\",\"n\":7}"), "{shown}");
    let ended = project.dev(&["--exit-when-idle", "--json"]).wait(SOON).await;
    let line = ended.stdout.iter().find(|line| line.contains("\"event\":\"done\"")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["sent"][0]["to"], "kafka:out", "{line}");
    assert_eq!(line["sent"][0]["payload"], "{\"do\":\"echo\",\"n\":7}", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_says_of_which_message_it_is_and_a_dead_letter_why_it_is_one() {
    let project = Project::new(r#"path = "src/part""#);
    project.write("input/d.in.jsonl", "{\"payload\": {\"do\": \"panic\"}}\n");
    let ended = project.dev(&["--exit-when-idle"]).wait(SOON).await;
    let logged = ended.stderr.iter().find(|line| line.contains("panicked")).expect("the panic is logged");
    // A record without a key may be in any partition.
    assert!((0..4).any(|partition| logged.contains(&format!("message_id=d.in/{partition}/0 "))), "{logged}");
    let letter = ended.stdout.iter().find(|line| line.starts_with("dead letter")).expect("it is a dead letter");
    assert!(letter.ends_with("(not retried: the same fault repeated; 3 of 5 attempts left)"), "{letter}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_command_has_compiled_no_other_compiles_again() {
    let project = Project::new(r#"path = "src/part""#);
    let file = project.path("cofferdam.toml");
    let file = file.to_str().expect("unicode");
    let kept = |folder: &str| {
        let entries = std::fs::read_dir(project.path(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().ends_with(".cwasm")).count()
    };
    let cache = project.path("cache");
    let runs = async |arguments: &[&str]| {
        let prepared = host(arguments).current_dir(project.0.path()).env("XDG_CACHE_HOME", &cache);
        let ended = prepared.start().wait(SOON).await;
        (ended.code(), ended.stdout)
    };
    assert_eq!(runs(&["dev", ".", "--exit-when-idle"]).await.0, Some(0));
    assert_eq!(kept(".cofferdam/compiled"), 1);
    project.write("m.json", "{\"payload\": {\"do\": \"echo\"}}");
    for arguments in [
        &["check", "--config", file][..],
        &["invoke", "src/part", "--message", "m.json"],
        &["invoke", "src/part", "--message", "m.json", "--config", file, "--route", "loop"],
    ] {
        let (code, said) = runs(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said:#?}");
        assert_eq!((kept(".cofferdam/compiled"), kept("cache/cofferdam/compiled")), (1, 0), "{arguments:?}");
    }
}
