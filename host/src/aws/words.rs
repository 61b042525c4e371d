//! What a failed call says, in one sentence for people, and whether it may have been carried out.

use std::error::Error;

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy;

/// Bytes of a foreign answer that are shown.
const SHOWN: usize = 80;

/// The sentence: the cause, and the remedy where there is one. Never Rust's debug form.
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

/// A code of the server with its message, and what to do about it.
pub(super) fn of_code(code: &str, message: &str) -> String {
    // `com.amazonaws.sqs#X`, `AWS.SimpleQueueService.X` and `X` are the same code on different servers.
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

/// Whether the server may have carried the call out: its answer did not arrive, or says nothing.
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

/// What each error in the chain says, without those that only say that there is another one.
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

/// An answer that is not one of SQS: its status, and how it begins.
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
