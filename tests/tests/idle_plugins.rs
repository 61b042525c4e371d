//! A thousand idle plugins need few resources, and start quickly.

use std::time::{Duration, Instant};

use cofferdam::plugin::{Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::outcome::Class;
use kit::sched::Thread;
use kit::usage::resident;
use sha2::{Digest as _, Sha256};

const PLUGINS: usize = 1_000;

/// Returns the component with a custom section that is different for each number.
fn variant(component: &[u8], number: usize) -> Vec<u8> {
    // Section 0, its length, and its name with its length.
    [component, &[0, 9, 8], format!("{number:08}").as_bytes()].concat()
}

/// Bytes of memory in use.
#[tokio::test(flavor = "current_thread")]
async fn a_thousand_idle_plugins_take_a_mebibyte_each_at_most_and_start_within_50_ms() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let component = std::fs::read(kit::guest("probe")).unwrap();
    assert!(component.len() >= 100_000, "{}", component.len());
    let engine = || Engine::new(EngineConfig { cache: Some(cache.clone()), ..EngineConfig::default() }).unwrap();
    // Compiled once. A custom section does not change the code, so the cache can be filled with copies.
    let first = variant(&component, 0);
    Plugin::load(&engine(), &first, Spec::new("plugin-0")).unwrap();
    let kept = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let name = kept.file_name().unwrap().to_str().unwrap().to_owned();
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(name.starts_with(&digest(&first)), "{name}");
    let files: Vec<_> = (0..PLUGINS)
        .map(|number| {
            let (bytes, file) = (variant(&component, number), folder.path().join(format!("{number}.wasm")));
            std::fs::write(&file, &bytes).unwrap();
            if number > 0 {
                let copy = cache.join(name.replace(&digest(&first), &digest(&bytes)));
                std::fs::copy(&kept, copy).unwrap();
            }
            file
        })
        .collect();

    // Compiling one more plugin removes none of them from the cache.
    Plugin::load(&engine(), &variant(&component, PLUGINS), Spec::new("last")).unwrap();
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), PLUGINS + 1, "all of them are kept");

    let (engine, own, message) = (engine(), Thread::own(), kit::probe::message(r#"{"do": "echo"}"#));
    let before = resident();
    let (mut plugins, mut starts) = (Vec::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        let (started, waited) = (Instant::now(), own.waited());
        let plugin = Plugin::open(&engine, file, Spec::new(format!("plugin-{number}"))).unwrap();
        let attempt = plugin.handle(&message, 1).await;
        // Less the time for which the machine had no CPU for the thread.
        starts.push(started.elapsed().saturating_sub(own.waited() - waited));
        assert_eq!(attempt.outcome.class(), Class::Done, "{attempt:?}");
        plugins.push(plugin);
    }
    let each = (resident() - before) / PLUGINS as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    starts.sort();
    let (p50, p99, max) = (starts[PLUGINS / 2], starts[PLUGINS * 99 / 100], starts[PLUGINS - 1]);
    println!(
        "{PLUGINS} plugins of {} bytes, each with an instance kept warm: {} KiB resident each; from the file to the \
         first answer p50 {p50:?}, p99 {p99:?}, max {max:?}; {maps} mappings",
        first.len(),
        each >> 10
    );
    assert!(each <= 1 << 20, "{each} bytes each");
    // Not the maximum: a thread of a virtual machine that gets no CPU from its hypervisor looks like a slow start.
    assert!(p99 < Duration::from_millis(50), "{p99:?}, the slowest {max:?}");
    // All plugins are still usable.
    for plugin in &plugins {
        assert_eq!(plugin.handle(&message, 1).await.outcome.class(), Class::Done);
    }
}
