//! Maps errors of a request to the error codes of `wasi:http`.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

use super::connect::ConnectError;
use super::received::TooMuch;

/// Returns the error code for `error`, by its chain of sources.
pub(super) fn of(error: &(dyn StdError + 'static)) -> Error {
    if let Some(error) = find::<Error>(error) {
        // The error of one of our bodies. The type has no `Clone`.
        return match error {
            Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
            Error::HttpResponseBodySize(size) => Error::HttpResponseBodySize(*size),
            Error::HttpResponseTimeout => Error::HttpResponseTimeout,
            _ => Error::HttpProtocolError,
        };
    }
    if let Some(error) = find::<ConnectError>(error) {
        return match error {
            ConnectError::Prohibited(_) => Error::DestinationIpProhibited,
            ConnectError::NoAddress => Error::DestinationNotFound,
            ConnectError::Name(_) => Error::DnsError { rcode: None, info_code: None },
            ConnectError::Refused(_) => Error::ConnectionRefused,
            ConnectError::Overdue => Error::ConnectionTimeout,
        };
    }
    if find::<TooMuch>(error).is_some() {
        return Error::HttpResponseHeaderSectionSize(None);
    }
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(_)) => return Error::TlsCertificateError,
        Some(_) => return Error::TlsProtocolError,
        None => {}
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_incomplete_message() => Error::HttpResponseIncomplete,
        Some(error) if error.is_parse_too_large() => Error::HttpResponseHeaderSectionSize(None),
        Some(error) if error.is_closed() || error.is_canceled() => Error::ConnectionTerminated,
        _ if find::<io::Error>(error).is_some() => Error::ConnectionTerminated,
        _ => Error::HttpProtocolError,
    }
}

/// Returns the first `E` in the chain of sources that starts with `error`.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of an `io::Error` skips the error that it wraps.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}
