//! The host's `wasi:http`.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use super::{Error, Request, Response};

/// What one write may have, by `wasi:io`.
const WRITE: usize = 4096;
/// What one read takes.
const READ: u64 = 64 << 10;

pub(super) fn send(request: Request) -> Result<Response, Error> {
    let invalid = |what: &str| Error::Invalid(what.to_owned());
    let (scheme, rest) = request.url.split_once("://").ok_or_else(|| invalid("the url has no scheme"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut headers = request.headers;
    if !request.body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|error| Error::Invalid(error.to_string()))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(request.method)).map_err(|()| invalid("the method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| invalid("the host"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| invalid("the path"))?;
    let body = if request.body.is_empty() { None } else { Some(outgoing.body().map_err(|()| invalid("the length"))?) };
    let answer = handle(outgoing, None).map_err(failed)?;
    if let Some(body) = body {
        write(body, &request.body)?;
    }
    answer.subscribe().block();
    let twice = || Error::Unavailable("the answer was taken before".to_owned());
    let answer = answer.get().ok_or_else(twice)?.map_err(|()| twice())?.map_err(failed)?;
    let headers = answer.headers().entries();
    let body = read(answer.consume().map_err(|()| twice())?)?;
    Ok(Response { status: answer.status(), headers, body })
}

/// A host that has heard enough, or was not granted, takes no more of it; the answer says which.
fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    if let Ok(stream) = body.write() {
        for piece in bytes.chunks(WRITE) {
            if stream.blocking_write_and_flush(piece).is_err() {
                drop(stream);
                return Ok(());
            }
        }
    }
    OutgoingBody::finish(body, None).map_err(failed)
}

fn read(body: IncomingBody) -> Result<Vec<u8>, Error> {
    let broken = || Error::Unavailable("the answer broke off".to_owned());
    let stream = body.stream().map_err(|()| broken())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).map_or_else(broken, failed));
            }
        }
    }
}

fn method(method: String) -> Method {
    match &*method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        _ => Method::Other(method),
    }
}

fn failed(code: ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied,
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::DnsTimeout
        | ErrorCode::HttpResponseTimeout => Error::Timeout,
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestUriTooLong => Error::Invalid(code.to_string()),
        code => Error::Unavailable(code.to_string()),
    }
}
