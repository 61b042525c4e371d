//! Regular expressions for topics, as librdkafka understands them: extended POSIX expressions of the C library.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;

use libc::{REG_EXTENDED, REG_NOSUB, c_char, regcomp, regerror, regex_t, regexec, regfree};

/// The largest length of an error text of the C library, in bytes.
const REASON: usize = 256;

/// The letters that have a meaning of their own after a backslash in the GNU C library.
const CLASSES: &str = "wWsSbB";

/// A regular expression that begins with `^`.
pub(crate) struct Expression {
    text: Box<str>,
    /// On the heap, because the C library does not say that the value may be moved.
    compiled: Box<regex_t>,
}

// SAFETY: a compiled expression belongs to no thread, and POSIX has `regexec` be called from several at once.
unsafe impl Send for Expression {}
// SAFETY: the same.
unsafe impl Sync for Expression {}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The error text of the C library, or an escape such as `\d`, which the library takes for the letter alone.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if let Some(letter) = letter_without_class(text) {
            return Err(format!(
                "\\{letter} stands for the letter {letter} in POSIX; write for example [0-9] for a digit"
            ));
        }
        let pattern = CString::new(text).map_err(|_| "it contains a NUL byte".to_owned())?;
        let mut compiled = Box::new(MaybeUninit::<regex_t>::uninit());
        // SAFETY: the pattern is a C string, and there is room for the result.
        let code = unsafe { regcomp(compiled.as_mut_ptr(), pattern.as_ptr(), REG_EXTENDED | REG_NOSUB) };
        if code != 0 {
            let mut reason: [c_char; REASON] = [0; REASON];
            // SAFETY: the buffer is as long as is said, and a C string ends in it. What was not compiled is not read: the
            // code alone tells the reason.
            let reason = unsafe {
                regerror(code, compiled.as_ptr(), reason.as_mut_ptr(), REASON);
                CStr::from_ptr(reason.as_ptr()).to_string_lossy().into_owned()
            };
            return Err(reason);
        }
        // SAFETY: it was compiled.
        Ok(Self { text: text.into(), compiled: unsafe { compiled.assume_init() } })
    }

    /// Returns whether the expression matches this topic name. A name with a NUL never matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Ok(name) = CString::new(name) else { return false };
        // SAFETY: the expression is compiled, the name is a C string, and no places of matches are asked for.
        unsafe { regexec(&*self.compiled, name.as_ptr(), 0, ptr::null_mut(), 0) == 0 }
    }
}

/// The first letter after a backslash that is no class.
fn letter_without_class(text: &str) -> Option<char> {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\'
            && let Some(escaped) = letters.next()
            && escaped.is_ascii_alphabetic()
            && !CLASSES.contains(escaped)
        {
            return Some(escaped);
        }
    }
    None
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

impl Drop for Expression {
    fn drop(&mut self) {
        // SAFETY: it was compiled, and nobody uses it any more.
        unsafe { regfree(&mut *self.compiled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_as_extended_expressions_of_posix_do() {
        for (expression, name, matches) in [
            (r"^orders[.].*", "orders.dlq", true),
            ("^orders.(dlq|x)$", "orders.dlq", true),
            (r"^orders\.[[:alpha:]]+$", "orders.a1", false),
            ("^a{2}$", "aa", true),
            ("^orders$", "orders.dlq", false),
        ] {
            assert_eq!(Expression::new(expression).unwrap().matches(name), matches, "{expression} {name}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_the_reason() {
        for wrong in ["^(orders", "^orders[.(", "^a{2", "^a\\"] {
            let reason = Expression::new(wrong).unwrap_err();
            assert!(!reason.is_empty(), "{wrong}");
        }
        assert_eq!(Expression::new("^\0").unwrap_err(), "it contains a NUL byte");
    }

    #[test]
    fn an_escape_that_the_c_library_takes_for_a_letter_is_refused() {
        let digit = r"\d stands for the letter d in POSIX; write for example [0-9] for a digit";
        assert_eq!(Expression::new(r"^orders[.]\d+$").unwrap_err(), digit);
        assert_eq!(Expression::new(r"^orders[.][\d]+$").unwrap_err(), digit);
        assert!(Expression::new(r"^orders[.]\\d$").is_ok(), "the backslash itself is escaped");
        assert!(Expression::new(r"^orders\.\w+$").unwrap().matches("orders.a_1"));
    }
}
