//! Requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`.
//!
//! ```
//! use cofferdam_sdk::{http, test};
//!
//! test::answer_http(|request| {
//!     assert_eq!(request.url, "https://api.example.com/rates?base=EUR");
//!     Ok(http::Response { status: 200, headers: vec![], body: b"{}".to_vec() })
//! });
//! let answer = http::get("https://api.example.com/rates?base=EUR").header("accept", "application/json").send()?;
//! assert_eq!(answer.status, 200);
//! let rates: std::collections::BTreeMap<String, f64> = answer.json()?;
//! assert!(rates.is_empty());
//! # Ok::<(), cofferdam_sdk::Failure>(())
//! ```
//!
//! The handler waits for the answer within its wall time. What a request did at the other host stays done when the handler
//! fails afterwards, and the same message may come again: give the request a key by which the host recognises a repeat,
//! for example the message's id. A redirect is an answer like any other.

#[cfg(target_family = "wasm")]
#[path = "http/imported.rs"]
mod backend;
#[cfg(not(target_family = "wasm"))]
#[path = "http/stand_in.rs"]
mod backend;

use crate::Failure;

/// Why there is no answer.
///
/// `?` in a handler turns it into a [`Failure`]: permanent `CAPABILITY_DENIED` where it was not granted, permanent
/// `VALIDATION_ERROR` where it cannot be sent, retryable `TIMEOUT` and `SERVICE_UNAVAILABLE` for the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Host, port or method were not granted, or the host's name leads to an address that was not.
    #[error("the request was not granted")]
    Denied,
    /// This is no request: its url, a header, or its size.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// The host did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The host cannot be reached, failed too often, or broke off.
    #[error("the host is not available: {0}")]
    Unavailable(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied => Failure::permanent("CAPABILITY_DENIED", text),
            Error::Invalid(_) => Failure::permanent("VALIDATION_ERROR", text),
            Error::Timeout => Failure::retryable("TIMEOUT", text),
            Error::Unavailable(_) => Failure::retryable("SERVICE_UNAVAILABLE", text),
        }
    }
}

/// A request to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// `http://` or `https://`, host, path and query.
    pub url: String,
    /// In this order; names may repeat.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Without any, none is sent.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 and so on; no status is an error here.
    pub status: u16,
    /// Names in lower case; they may repeat.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Begins a request with GET.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// Begins a request with POST.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// Begins a request with any method.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    Request { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and waits for all of the answer.
    ///
    /// # Errors
    ///
    /// As the variants of [`Error`] say.
    pub fn send(self) -> Result<Response, Error> {
        backend::send(self)
    }
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// Retryable `INVALID_RESPONSE`: it is no JSON, or not of the shape of `T`; the text says the status and why. A service
    /// that fails often answers with a page.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        let invalid = |error: &dyn std::fmt::Display| {
            let text = format!("the answer with status {} is not the JSON expected: {error}", self.status);
            Failure::retryable("INVALID_RESPONSE", text)
        };
        // As text, because from_slice does not look at the strings of members that `T` has not.
        let text = std::str::from_utf8(&self.body).map_err(|error| invalid(&error))?;
        serde_json::from_str(text).map_err(|error| invalid(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[test]
    fn an_answer_that_is_not_the_json_expected_is_a_retryable_failure_that_says_why() {
        for (body, why) in [
            (&b"<html>"[..], "expected value at line 1 column 1"),
            (b"", "EOF"),
            (b"\"a\"", "invalid type"),
            (b"[\"\xff\"]", "invalid utf-8"),
        ] {
            let read = || -> Result<u32, Failure> {
                let value: u32 = Response { status: 502, headers: vec![], body: body.to_vec() }.json()?;
                Ok(value + 1)
            };
            let failure = read().unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Retryable, "INVALID_RESPONSE"));
            assert!(
                failure.text.starts_with("the answer with status 502 is not the JSON expected: "),
                "{}",
                failure.text
            );
            assert!(failure.text.contains(why), "{}", failure.text);
        }
    }
}
