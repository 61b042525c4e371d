//! Converts results of a guest. Each byte string is copied once, out of the guest.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::message::{Header, Headers, Kind};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::Output;
use wasmtime::component::{ComponentType, Lift};

use crate::plugin::limits::{Limit, Limits};
use crate::plugin::secrets::Secrets;

/// Maximum bytes of an invalid code that are shown.
const CODE_SHOWN: usize = 64;

/// `result<list<output>, failure>` of the contract.
pub(in crate::plugin) type Answer = Result<Vec<OutputResult>, FailureResult>;

/// `record output` of the contract.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::plugin) struct OutputResult {
    to: Box<str>,
    key: Option<Vec<u8>>,
    headers: Vec<HeaderResult>,
    attributes: Vec<(Box<str>, Box<str>)>,
    payload: Option<Vec<u8>>,
}

/// `record header` of the contract.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::plugin) struct HeaderResult {
    name: String,
    value: Vec<u8>,
}

/// `record fault` of the contract.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::plugin) struct FaultResult {
    code: String,
    text: String,
    #[component(name = "retry-after-ms")]
    retry_after_ms: Option<u64>,
}

/// `variant failure` of the contract.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(in crate::plugin) enum FailureResult {
    #[component(name = "retryable")]
    Retryable(FaultResult),
    #[component(name = "permanent")]
    Permanent(FaultResult),
    #[component(name = "deferred")]
    Deferred(FaultResult),
}

/// Maximum bytes that the values of one host call, or of the result, may take in the host. Lists of a guest may overlap, so
/// its memory limit does not bound them.
///
/// A result within its limits fits: a header or attribute counts 32 bytes in the limit and takes at most 48 here. The
/// arguments of the host's own functions fit, too.
pub(in crate::plugin) fn copied_bytes(limits: &Limits) -> usize {
    let result = limits.output_bytes.saturating_add(limits.output_bytes / 2);
    let outputs = limits.outputs.saturating_add(1).saturating_mul(size_of::<OutputResult>());
    result.saturating_add(outputs).saturating_add(SLACK).max(2 << 20)
}

/// Bytes for the logical names of outputs, which `output_bytes` does not count, and for the text of a failure.
const SLACK: usize = 256 << 10;

/// Converts the result of the guest to outputs or to a failure.
pub(in crate::plugin) fn read(answer: Answer, secrets: &Secrets) -> Result<Vec<Output>, Failure> {
    let outputs = answer.map_err(|failure| failure.told_without(secrets))?;
    Ok(outputs.into_iter().map(Output::from).collect())
}

/// Checks the outputs against the limits. Returns them with their size, or the failure.
pub(in crate::plugin) fn judge(outputs: Vec<Output>, limits: &Limits) -> Result<(Vec<Output>, usize), Failure> {
    if outputs.len() > limits.outputs {
        let text = format!("{} outputs exceed the limit of {}", outputs.len(), limits.outputs);
        return Err(Limit::Outputs.exceeded(text));
    }
    let size = outputs.iter().map(Output::size).fold(0, usize::saturating_add);
    if size > limits.output_bytes {
        let text = format!("outputs of {size} bytes exceed the limit of {}", limits.output_bytes);
        return Err(Limit::OutputBytes.exceeded(text));
    }
    match outputs.iter().find_map(repeated_attribute) {
        None => Ok((outputs, size)),
        Some((to, name)) => {
            let text = format!("output {to} has the attribute {name} more than once");
            Err(Failure::contract(Code::INVALID_RESULT, text))
        }
    }
}

fn repeated_attribute(output: &Output) -> Option<(&str, &str)> {
    let names = output.attributes.iter().map(|(name, _)| &**name);
    // A few names are compared; many are looked up in a set, because the guest chooses their number.
    let repeated = if output.attributes.len() <= 16 {
        names.enumerate().find(|(index, name)| output.attributes[..*index].iter().any(|(other, _)| **other == **name))
    } else {
        let mut seen = HashSet::with_capacity(output.attributes.len());
        names.enumerate().find(|(_, name)| !seen.insert(*name))
    };
    repeated.map(|(_, name)| (&*output.to, name))
}

impl From<OutputResult> for Output {
    fn from(output: OutputResult) -> Self {
        Self {
            to: output.to,
            key: output.key.map(Bytes::from),
            headers: headers(&output.headers),
            attributes: output.attributes,
            payload: output.payload.map(Bytes::from),
        }
    }
}

fn headers(results: &[HeaderResult]) -> Headers {
    let bytes = results.iter().map(|header| header.name.len() + header.value.len()).sum();
    let mut headers = Headers::with_capacity(results.len(), bytes);
    for HeaderResult { name, value } in results {
        // The contract has no data types. On SQS, text is readable and can be filtered.
        let kind = if std::str::from_utf8(value).is_ok() { Kind::Text } else { Kind::Bytes };
        headers.push(Header { name: name.as_bytes(), value: Some(value), kind });
    }
    headers
}

impl FailureResult {
    fn told_without(self, secrets: &Secrets) -> Failure {
        let (class, fault) = match self {
            FailureResult::Retryable(fault) => (Class::Retryable, fault),
            FailureResult::Permanent(fault) => (Class::Permanent, fault),
            FailureResult::Deferred(fault) => (Class::Deferred, fault),
        };
        // Redaction comes before the cut, because it would not find half a secret.
        let code = Code::of_handler(&fault.code);
        let mut text = secrets.redact(&fault.text).into_owned();
        if code == Code::INVALID_CODE {
            let given = secrets.redact(&fault.code);
            let given = &given[..given.floor_char_boundary(CODE_SHOWN)];
            text.push_str(&format!(
                " (the handler gave the code {given:?}; expected 1 to 64 characters of A-Z, 0-9 and _)"
            ));
        }
        let mut failure = Failure::new(class, code, text);
        failure.retry_after = fault.retry_after_ms.map(Duration::from_millis);
        failure
    }
}
