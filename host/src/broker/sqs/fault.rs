//! Classifies failed calls by the decision of the caller instead of by the dozens of error codes.

use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::words;

/// The reason why a call, or one entry of a batch, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The same call may succeed later: network failure, throttling, an internal error of the server, or something that
    /// an operator can repair (a missing queue, a missing permission, a disabled key).
    #[error("{0}")]
    Passing(Box<str>),
    /// As `Passing`, but the server may have executed the call: its response was lost or is not conclusive.
    #[error("{0}")]
    Unclear(Box<str>),
    /// The receipt handle is invalid: the visibility timeout has ended and another consumer may have the message, or
    /// the message is deleted.
    #[error("{0}")]
    Gone(Box<str>),
    /// The message is larger than the queue accepts, alone or together with its batch.
    #[error("{0}")]
    TooLarge(Box<str>),
    /// The queue refuses this message permanently.
    #[error("{0}")]
    Invalid(Box<str>),
}

impl Fault {
    /// Classifies the failure of a whole call.
    pub fn of_call<E>(error: &SdkError<E>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let unclear = words::may_be_done(error);
        match error.as_service_error().and_then(|service| Some((service.code()?, service.message().unwrap_or("")))) {
            Some((code, message)) => Self::of_code(code, message, !unclear),
            None if unclear => Self::Unclear(words::of(error).into()),
            None => Self::Passing(words::of(error).into()),
        }
    }

    /// No response arrived within this time.
    pub fn late(limit: Duration) -> Self {
        Self::Unclear(format!("no answer within {limit:?}").into())
    }

    /// Returns whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Passing(_) | Self::Unclear(_))
    }

    /// Classifies the failure of one entry of a batch.
    pub fn of_entry(entry: &BatchResultErrorEntry) -> Self {
        Self::of_code(entry.code(), entry.message().unwrap_or(""), entry.sender_fault())
    }

    /// Returns whether the queue does not exist (at present).
    pub fn is_missing_queue(&self) -> bool {
        let Self::Passing(text) = self else { return false };
        ["QueueDoesNotExist", "NonExistentQueue"].iter().any(|code| text.starts_with(code))
    }

    /// The response does not mention this entry.
    pub fn unmentioned() -> Self {
        Self::Unclear("the response of SQS lacks this entry of the batch".into())
    }

    fn of_code(code: &str, message: &str, sender: bool) -> Self {
        let text: Box<str> = words::of_code(code, message).into();
        let code = code.rsplit(['#', '.']).next().unwrap_or(code);
        match code {
            "ReceiptHandleIsInvalid" | "MessageNotInflight" => Self::Gone(text),
            "BatchRequestTooLong" | "MessageTooLong" => Self::TooLarge(text),
            "InvalidMessageContents" => Self::Invalid(text),
            "InvalidParameterValue"
            | "InvalidAttributeValue"
            | "InvalidAttributeName"
            | "MissingParameter"
            | "UnsupportedOperation"
            | "ValidationException"
            | "ValidationError" => {
                if of_handle(message) {
                    Self::Gone(text)
                } else if of_size(message) {
                    Self::TooLarge(text)
                } else {
                    Self::Invalid(text)
                }
            }
            _ if sender && !repairable(code) => Self::Invalid(text),
            _ if sender || code.contains("Throttl") => Self::Passing(text),
            _ => Self::Unclear(text),
        }
    }
}

/// Returns whether an `InvalidParameterValue` concerns the receipt handle: AWS uses this code for an expired handle and
/// for many other faults.
fn of_handle(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("receipthandle")
        || message.contains("receipt handle")
        || message.contains("not available for visibility timeout change")
}

fn of_size(message: &str) -> bool {
    message.contains("must be shorter than")
        || message.contains("TooLong")
        || message.contains("exceeds the maximum size")
}

/// Returns whether the code blames the caller although an operator can repair the cause without a change to the
/// message.
fn repairable(code: &str) -> bool {
    const ANYWHERE: [&str; 10] = [
        "Throttl",
        "TooManyRequests",
        "AccessDenied",
        "Kms",
        "OverLimit",
        "Token",
        "Signature",
        "Security",
        "Clock",
        "QueueD",
    ];
    ANYWHERE.iter().any(|part| code.contains(part))
        || matches!(
            code,
            "NonExistentQueue"
                | "InvalidAddress"
                | "ResourceNotFoundException"
                | "RequestExpired"
                | "RequestTimeout"
                | "IncompleteSignature"
                | "InvalidAccessKeyId"
                | "NotAuthorized"
                | "OptInRequired"
                | "ServiceUnavailable"
                | "InternalError"
                | "InternalFailure"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, message: &str, sender: bool) -> &'static str {
        match Fault::of_code(code, message, sender) {
            Fault::Passing(_) => "passing",
            Fault::Unclear(_) => "unclear",
            Fault::Gone(_) => "gone",
            Fault::TooLarge(_) => "too large",
            Fault::Invalid(_) => "invalid",
        }
    }

    #[test]
    fn each_code_leads_to_its_decision() {
        for (code, message, sender, expected) in [
            ("ReceiptHandleIsInvalid", "The receipt handle has expired", true, "gone"),
            ("com.amazonaws.sqs#MessageNotInflight", "", true, "gone"),
            (
                "InvalidParameterValue",
                "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
                true,
                "gone",
            ),
            (
                "InvalidParameterValue",
                "Value x for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
                true,
                "invalid",
            ),
            (
                "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes.",
                true,
                "too large",
            ),
            ("AWS.SimpleQueueService.BatchRequestTooLong", "", true, "too large"),
            ("InvalidMessageContents", "", true, "invalid"),
            ("MissingParameter", "The request must contain the parameter MessageGroupId.", true, "invalid"),
            ("InternalError", "", false, "unclear"),
            ("RequestThrottled", "", true, "passing"),
            ("ThrottlingException", "", true, "passing"),
            ("QueueDoesNotExist", "", true, "passing"),
            ("AWS.SimpleQueueService.NonExistentQueue", "", true, "passing"),
            ("AccessDeniedException", "", true, "passing"),
            ("KmsDisabled", "", true, "passing"),
            ("ExpiredToken", "", true, "passing"),
            ("SomethingNew", "", true, "invalid"),
            ("SomethingNew", "", false, "unclear"),
            ("ThrottlingException", "", false, "passing"),
        ] {
            assert_eq!(of(code, message, sender), expected, "{code}: {message}");
        }
    }
}
