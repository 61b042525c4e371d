//! `secrets`: values for a plugin that come from the environment or a file.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::super::read::{Table, Value};
use crate::plugin::Secrets;

/// An example for problems.
const EXAMPLE: &str = "{ api_key = { env = \"API_KEY\" }, token = { file = \"/run/secrets/token\" } }";

/// Minimum length of a secret in bytes. Shorter texts occur in every log line.
const SHORTEST: usize = 4;

pub(super) fn secrets(value: &Value<'_>, config: &BTreeMap<String, String>, folder: &Path) -> Secrets {
    let read = |table: &Table<'_>| {
        let mut secrets = BTreeMap::new();
        for (name, value) in table.entries() {
            if config.contains_key(name) {
                value.refuse(format!("{name:?} is set in config, too"), "leave one of them out");
            }
            secrets.extend(secret(&value, folder).map(|secret| (name.to_owned(), secret)));
        }
        if secrets.len() > Secrets::MOST {
            value
                .problem(format!("too many secrets: {}", secrets.len()), format!("expected at most {}", Secrets::MOST));
            secrets.clear();
        }
        secrets
    };
    Secrets::new(value.table(EXAMPLE, read).unwrap_or_default())
}

/// Reads a secret. Its problems do not show its value.
fn secret(value: &Value<'_>, folder: &Path) -> Option<String> {
    let secret = value.table("{ env = \"API_KEY\" }", |table| {
        let (env, file) = (table.get("env"), table.get("file"));
        match (env, file) {
            (Some(env), None) => env.variable_named("API_KEY"),
            (None, Some(file)) => read(&file, folder),
            _ => {
                value.problem(
                    "a secret needs either env or file",
                    "write { env = \"API_KEY\" } or { file = \"/run/secrets/key\" }",
                );
                None
            }
        }
    })??;
    if !(SHORTEST..=Secrets::LONGEST).contains(&secret.len()) {
        let remedy = format!("expected {SHORTEST} to {} bytes", Secrets::LONGEST);
        value.problem(format!("the secret has {} bytes", secret.len()), remedy);
        return None;
    }
    Some(secret)
}

/// The content of the file without the last line end.
fn read(file: &Value<'_>, folder: &Path) -> Option<String> {
    let path = folder.join(file.full_text("/run/secrets/key")?);
    let mut text = String::new();
    let most = Secrets::LONGEST as u64 + 2;
    let read = std::fs::File::open(&path).and_then(|file| file.take(most).read_to_string(&mut text));
    match read {
        Ok(_) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => {
            file.problem(
                format!("failed to read {}: {error}", path.display()),
                "name a text file that this user may read",
            );
            None
        }
    }
}
