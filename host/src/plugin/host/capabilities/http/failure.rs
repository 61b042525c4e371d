//! What went wrong with a request, in the words of `wasi:http`.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

use super::connect::ConnectError;
use super::received::TooMuch;

/// The word for `error`, by what is behind it.
pub(super) fn of(error: &(dyn StdError + 'static)) -> Error {
    if let Some(error) = find::<Error>(error) {
        // What a body of ours ended with; the type has no clone.
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

/// The first `E` among `error` and what is behind it.
pub(super) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // One of input and output passes over what it was made of.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}
