//! Any text as a configuration: read, or refused with problems that stand where they say.

#![no_main]

use std::path::Path;

use cofferdam::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = |name: &str| (name.len() < 8).then(|| name.to_owned());
    let Err(errors) = Config::parse(text, Path::new("fuzzed.toml"), &environment) else { return };
    let lines = text.split('\n').count();
    assert!(errors.problems().len() > 0);
    for problem in errors.problems() {
        assert!(problem.line <= lines, "{problem}: there are {lines} lines");
        assert!(!problem.what.is_empty() && !problem.remedy.is_empty(), "{problem:?}");
    }
});
