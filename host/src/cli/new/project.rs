//! Writes a project from a template, with the name of the user.

use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, File};

use super::language::Language;
use crate::exit::{Exit, Problem};

/// The folder of the SDK in a project.
const SDK: &str = "cofferdam-sdk";

/// The name in templates, with a hyphen and with an underscore.
const NAMES: [&str; 2] = ["my-handler", "my_handler"];

/// Checks that the name is valid for every tool chain.
///
/// # Errors
/// The rule for names.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let rule = "expected 1 to 60 lower-case letters, digits and hyphens, beginning with a letter, without a final or double hyphen";
    let right = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if right && begins && name.len() <= 60 && !name.ends_with('-') && !name.contains("--") { Ok(()) } else { Err(rule) }
}

/// Writes the template and the SDK of the language to `folder`, which must be missing or empty.
///
/// # Errors
/// If the folder has files or cannot be written.
pub(super) fn write(language: Language, name: &str, folder: &Path) -> Result<(), Problem> {
    let place = || folder.display().to_string();
    if fs::read_dir(folder).map_or(folder.exists(), |mut entries| entries.next().is_some()) {
        let remedy = "choose another name, or move it out of the way";
        return Err(Problem::new(Exit::Usage, "the folder exists already", remedy).at(place()));
    }
    let written = files(language, name).into_iter().try_for_each(|(path, contents)| {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, contents)
    });
    written.map_err(|error| Problem::new(Exit::Usage, format!("failed to write the folder: {error}"), "").at(place()))
}

/// Returns all files of the project by their path in it.
fn files(language: Language, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let own = all(language.template()).into_iter().filter(|file| is_source(file.path())).map(|file| {
        let (path, text) = (file.path().to_string_lossy(), String::from_utf8_lossy(file.contents()));
        (PathBuf::from(named(&path, name)), named(&text, name).into_bytes())
    });
    let sdk = language.sdk();
    let folders = sdk.folders.iter().flat_map(|(place, folder)| {
        let files = all(folder).into_iter().filter(|file| is_source(file.path()) && !is_test_of_sdk(file.path()));
        files.map(move |file| (Path::new(SDK).join(place).join(file.path()), file.contents().to_owned()))
    });
    let files = sdk.files.iter().map(|(place, text)| (Path::new(SDK).join(place), text.as_bytes().to_owned()));
    own.chain(folders).chain(files).collect()
}

fn all<'a>(folder: &'a Dir<'a>) -> Vec<&'a File<'a>> {
    let entries = folder.entries().iter();
    let files = entries.flat_map(|entry| match entry {
        DirEntry::Dir(folder) => all(folder),
        DirEntry::File(file) => vec![file],
    });
    files.collect()
}

/// Returns false for files that a tool chain wrote while somebody tried the template.
fn is_source(path: &Path) -> bool {
    const WRITTEN: [&str; 8] =
        ["target", "node_modules", ".venv", "__pycache__", "build", ".cofferdam", "cofferdam-sdk", "package-lock.json"];
    path.components().all(|part| !WRITTEN.contains(&&*part.as_os_str().to_string_lossy()))
}

/// Go has tests beside the code.
fn is_test_of_sdk(path: &Path) -> bool {
    path.to_string_lossy().ends_with("_test.go")
}

fn named(text: &str, name: &str) -> String {
    text.replace(NAMES[0], name).replace(NAMES[1], &name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_what_every_tool_chain_takes() {
        for right in ["hello", "a", "price-orders-2"] {
            assert_eq!(check_name(right), Ok(()), "{right}");
        }
        for wrong in ["", "Hello", "2fast", "a_b", "a--b", "a-", "a b", "../a", "ä", &"a".repeat(61)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_project_has_all_that_dev_needs_and_the_templates_name_nowhere() {
        for language in Language::value_variants() {
            let files = files(*language, "price-orders");
            for needed in ["cofferdam.toml", "README.md", ".gitignore", "input/price-orders.in.jsonl"] {
                assert!(files.iter().any(|(path, _)| path == Path::new(needed)), "{language:?}: {needed}");
            }
            // The host has the types of core modules itself.
            let has_types = files.iter().any(|(path, _)| path.ends_with("handler.wit"));
            assert_eq!(has_types, !matches!(language, Language::Go | Language::C), "{language:?}");
            for (path, contents) in files.iter().filter(|(path, _)| !path.starts_with(SDK)) {
                let text = String::from_utf8_lossy(contents);
                assert!(NAMES.iter().all(|name| !text.contains(name)), "{language:?}: {}", path.display());
            }
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        write(Language::Rust, "hello", folder.path()).unwrap();
        let file = folder.path().join("src/lib.rs");
        assert!(fs::read_to_string(&file).unwrap().contains("handler!(handle)"));
        fs::write(&file, "mine").unwrap();
        assert!(write(Language::Rust, "hello", folder.path()).unwrap_err().what.contains("exists already"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }
}
