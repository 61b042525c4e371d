//! Warnings that matter only in development, because `run` needs no sources.

use std::path::{Path, PathBuf};

use crate::config::{Config, nearest};
use crate::exit::{Exit, Problem};

/// Returns a warning for each missing source, with the probable name. `file` is the file of the configuration.
pub fn missing_sources(config: &Config, file: &Path) -> Vec<Problem> {
    let folder = super::files::folder(file);
    let each = config.plugins.iter().filter(|(_, plugin)| plugin.build.is_some());
    let missing = each.flat_map(|(name, plugin)| {
        let missing = plugin.sources.iter().filter(|source| !source.exists());
        missing.map(move |source| (name, source))
    });
    let problem = |(name, source): (&String, &PathBuf)| {
        let written = |path: &Path| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
        let remedy = match meant(source) {
            Some(meant) => format!("did you mean {:?}?", written(&meant)),
            None => "expected an existing folder or file; changes to it start no build".into(),
        };
        let what = format!("source {:?} does not exist", written(source));
        Problem::new(Exit::Configuration, what, remedy).at(format!("{}: plugins.{name}.sources", file.display()))
    };
    missing.map(problem).collect()
}

/// Replaces the first missing part of the path by the most similar name that exists.
fn meant(path: &Path) -> Option<PathBuf> {
    let there = path.ancestors().find(|ancestor| ancestor.exists() || *ancestor == Path::new(""))?;
    let mut rest = path.strip_prefix(there).ok()?.components();
    let wrong = rest.next()?.as_os_str().to_string_lossy().into_owned();
    let entries = std::fs::read_dir(if there == Path::new("") { Path::new(".") } else { there }).ok()?;
    let names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let name = nearest(&wrong, names.iter().map(String::as_str).filter(|name| !name.starts_with('.')))?;
    Some(rest.fold(there.join(name), |path, part| path.join(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_not_exist_is_named_with_the_one_that_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cofferdam.toml");
        std::fs::create_dir_all(folder.path().join("app/src")).unwrap();
        let text = r#"
            service = { name = "doubts" }
            kafka = { bootstrap_servers = "nowhere:9092" }
            plugins.p = { path = "p.wasm", build = "true", sources = ["app/scr", "app/src", "elsewhere/x"] }
            [[routes]]
            name = "r"
            from = { kafka = ["in"], group = "g" }
            handler = "p"
        "#;
        let config = Config::parse(text, &file, &|_| None).unwrap();
        let doubts = missing_sources(&config, &file);
        let said: Vec<String> = doubts.iter().map(|doubt| format!("{}; {}", doubt.what, doubt.remedy)).collect();
        assert_eq!(
            said,
            [
                r#"source "app/scr" does not exist; did you mean "app/src"?"#,
                r#"source "elsewhere/x" does not exist; expected an existing folder or file; changes to it start no build"#,
            ]
        );
        assert!(doubts[0].place.ends_with("cofferdam.toml: plugins.p.sources"), "{}", doubts[0].place);
    }
}
