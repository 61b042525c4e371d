//! Error texts of failed calls, and whether the server may have executed the call.

use std::error::Error;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy;

/// The largest number of bytes to show of a response that is not from SQS.
const SHOWN: usize = 80;

/// Returns one sentence with the cause, and the remedy if there is one. It never contains the debug format of Rust.
pub(crate) fn of<E>(error: &SdkError<E>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => of_code(code, service.err().message().unwrap_or_default()),
            None => foreign(service.raw()),
        },
        SdkError::ResponseError(response) => foreign(response.raw()),
        other => of_chain(&chain(other)),
    }
}

/// Formats an error code of the server with its message and a remedy.
pub(super) fn of_code(code: &str, message: &str) -> String {
    // `com.amazonaws.sqs#X`, `AWS.SimpleQueueService.X` and `X` are the same code from different servers.
    let code = code.rsplit(['#', '.']).next().unwrap_or(code);
    let message = message.trim().trim_end_matches('.');
    let mut text = if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") };
    if ["Signature", "RequestExpired", "RequestTimeTooSkewed"].iter().any(|part| code.contains(part)) {
        text.push_str("; check the secret access key and the clock of this machine");
    } else if code.contains("ExpiredToken") {
        text.push_str("; renew the session token");
    } else if code.contains("InvalidClientTokenId") || code.contains("InvalidAccessKeyId") {
        text.push_str("; check the access key id");
    }
    text
}

/// Returns whether the server may have executed the call: its response did not arrive, or is not conclusive.
pub(super) fn may_be_done<E>(error: &SdkError<E>) -> bool
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(_) => {
            let unconnected =
                |source: &(dyn Error + 'static)| source.downcast_ref().is_some_and(legacy::Error::is_connect);
            !is_about_credentials(&chain(error)) && !sources(error).any(unconnected)
        }
        SdkError::ServiceError(service) => service.raw().status().as_u16() >= 500,
        _ => true,
    }
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// Returns the texts of the errors in the chain, without those that only announce the next error.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for source in sources(error) {
        let text = source.to_string();
        let empty =
            matches!(&*text, "dispatch failure" | "io error" | "other" | "timeout" | "failed to construct request");
        if !empty && said.last() != Some(&text) {
            said.push(text);
        }
    }
    said
}

fn of_chain(chain: &[String]) -> String {
    let mentions = |part: &str| chain.iter().any(|text| text.to_ascii_lowercase().contains(part));
    let last = chain.last().map_or("the call failed", String::as_str);
    if is_about_credentials(chain) {
        let how = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or a role";
        return if mentions("not enabled") || mentions("no providers in chain") {
            format!("no AWS credentials in the environment, a profile, or a role; {how}")
        } else {
            format!("failed to load AWS credentials: {last}; {how}")
        };
    }
    if mentions("region") && (mentions("missing") || mentions("must be set")) {
        return "no AWS region; set region in [sqs], or AWS_REGION".to_owned();
    }
    if mentions("(connect)") || mentions("tcp connect") || mentions("dns error") {
        return format!("failed to connect: {last}");
    }
    if mentions("timeout") || mentions("timed out") {
        return format!("no answer in time: {last}");
    }
    chain.join(": ")
}

fn is_about_credentials(chain: &[String]) -> bool {
    chain.iter().any(|text| text.to_ascii_lowercase().contains("credential"))
}

/// Describes a response that is not from SQS: its status and its first bytes.
fn foreign(answer: &HttpResponse) -> String {
    let status = answer.status().as_u16();
    let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).into_owned();
    let body: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if body.is_empty() {
        return format!("HTTP {status} without a message");
    }
    let cut = &body[..body.floor_char_boundary(SHOWN)];
    let more = if cut.len() < body.len() { "…" } else { "" };
    format!("HTTP {status}, not an answer of SQS: {}{more}", cut.escape_debug())
}

#[cfg(test)]
mod tests;
