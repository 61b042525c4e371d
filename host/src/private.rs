//! Values that may be secret.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// Values by name. They may contain passwords, so [`fmt::Debug`] shows only the names.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Private(pub BTreeMap<String, String>);

impl Deref for Private {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let private = Private(BTreeMap::from([("sasl.password".to_owned(), "hunter2".to_owned())]));
        assert_eq!(format!("{private:?}"), r#"{"sasl.password"}"#);
    }
}
