//! The plugin's own `config` of the configuration file, as strings.

use crate::Failure;

/// The value of `name`, or none where the configuration has no such key.
///
/// # Errors
///
/// Deferred `CONFIGURATION_UNAVAILABLE`: the host could not read its configuration.
pub fn get(name: &str) -> Result<Option<String>, Failure> {
    backend::get(name).map_err(unavailable)
}

/// The value of `name`.
///
/// # Errors
///
/// Deferred `CONFIGURATION_MISSING`: there is none. Deferred, because nothing is wrong with the message: it waits for
/// somebody to mend the configuration rather than being filed as dead.
pub fn require(name: &str) -> Result<String, Failure> {
    let missing = || Failure::deferred("CONFIGURATION_MISSING", format!("the plugin's config has no {name:?}"));
    get(name)?.ok_or_else(missing)
}

/// All keys with their values, in no particular order.
///
/// # Errors
///
/// Deferred `CONFIGURATION_UNAVAILABLE`: the host could not read its configuration.
pub fn all() -> Result<Vec<(String, String)>, Failure> {
    backend::all().map_err(unavailable)
}

fn unavailable(text: String) -> Failure {
    Failure::deferred("CONFIGURATION_UNAVAILABLE", text)
}

#[cfg(target_family = "wasm")]
mod backend {
    use crate::bindings::wasi::config::store::{self, Error};

    pub(super) fn get(name: &str) -> Result<Option<String>, String> {
        store::get(name).map_err(text)
    }

    pub(super) fn all() -> Result<Vec<(String, String)>, String> {
        store::get_all().map_err(text)
    }

    fn text(error: Error) -> String {
        match error {
            Error::Upstream(text) | Error::Io(text) => text,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod backend {
    use crate::test::world;

    pub(super) fn get(name: &str) -> Result<Option<String>, String> {
        Ok(world(|world| world.config.get(name).cloned()))
    }

    pub(super) fn all() -> Result<Vec<(String, String)>, String> {
        Ok(world(|world| world.config.clone().into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use crate::{FailureKind, config, test};

    #[test]
    fn a_missing_value_defers_the_message_and_is_named() {
        let failure = config::require("currency").unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Deferred, "CONFIGURATION_MISSING"));
        assert!(failure.text.contains("\"currency\""));
        assert_eq!(config::get("currency"), Ok(None));
    }

    #[test]
    fn what_a_test_sets_is_what_the_handler_reads() {
        test::set_config("currency", "EUR");
        assert_eq!(config::require("currency").as_deref(), Ok("EUR"));
        assert_eq!(config::all(), Ok(vec![("currency".into(), "EUR".into())]));
    }
}
