//! The settings of SQS.

/// The section `[sqs]`. Credentials come from the default chain of the AWS SDK, never from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The region; `None` means the region of the default chain of the AWS SDK.
    pub region: Option<String>,
    /// The endpoint URL, for servers other than AWS and for private endpoints.
    pub endpoint: Option<String>,
    /// Whether the host creates missing queues at the start.
    pub create: bool,
}
