//! SQS: sources, sinks and dead letters, and what they have in common: the client, how a queue is found, what a failed call
//! means, and how records are written as messages.

use std::sync::Arc;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use cofferdam_core::output::{Destination, DestinationTraits};

use crate::dead_letters::origins::Origins;

pub mod attribute;
pub mod backoff;
pub mod batch;
pub mod body;
pub mod dead_letters;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(test)]
pub(crate) mod fake;
pub mod fault;
pub mod headers;
pub mod queue;
pub mod sink;
pub mod source;
pub(crate) mod words;

/// The word of the configuration for SQS.
pub const NAME: &str = "sqs";

/// A queue to write to, by name or by address (`http...`); one whose name ends in `.fifo` is FIFO.
pub fn queue(name: impl Into<Arc<str>>) -> Destination {
    let name = name.into();
    let traits = DestinationTraits::queue(name.ends_with(".fifo"));
    Destination::new(NAME, name, traits)
}

/// Where the dead letters of a route go that reads this queue, where nothing else is said: `<service>-dlq`,
/// `<service>-dlq.fifo` for a FIFO source.
pub fn letters_of(service: &str, source: &str) -> Destination {
    let suffix = if source.ends_with(".fifo") { ".fifo" } else { "" };
    // A queue's name knows no dots.
    queue(format!("{}-dlq{suffix}", service.replace('.', "-")))
}

/// Adds a queue that a route reads, by name or by address; letters name it by its name.
pub fn add_origin(address: &str, origins: &mut Origins) {
    let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or(address);
    origins.add(queue(name));
}

/// A long poll takes 20 s at most; a call that takes longer than this has lost its server.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A client for SQS, with credentials from the AWS SDK's default chain: environment, profiles, single sign-on, web
/// identity, container and instance roles. No key ever comes from the configuration of the host.
///
/// `region` overrides the chain's. `endpoint` is for servers other than AWS, and for private endpoints of AWS. Where its
/// host is not under `amazonaws.com`, `amazonaws.com.cn` or `api.aws`, the server is taken for one that checks neither
/// region nor signature, as most test servers do:
///
/// * a region that is configured nowhere is `us-east-1`;
/// * credentials come from where they were put on purpose: environment, profiles, web identity, container role. The
///   instance metadata service is not asked, since machines that run such servers have none, or forbid it (a profile
///   with `credential_source = Ec2InstanceMetadata` asks it all the same);
/// * where there are none, placeholders sign the requests. They are no secret and open nothing on AWS. Credentials that
///   are configured and do not work stay an error.
pub async fn client(region: Option<&str>, endpoint: Option<&str>) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Two attempts, for a connection that the server closed while it was idle; patience is the caller's.
        .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(3))
                .operation_attempt_timeout(CALL_LIMIT)
                .build(),
        );
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
        if !is_aws(endpoint) {
            loader = lenient(loader, region).await;
        }
    }
    Client::new(&loader.load().await)
}

/// For a server that is not AWS.
async fn lenient(loader: ConfigLoader, region: Option<&str>) -> ConfigLoader {
    let region = RegionProviderChain::first_try(region.map(|region| Region::new(region.to_owned())))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else("us-east-1");
    let credentials = CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", ProfileFileCredentialsProvider::builder().build())
        .or_else("web identity", WebIdentityTokenCredentialsProvider::builder().build())
        .or_else("container", EcsCredentialsProvider::builder().build())
        .or_else("placeholder", Credentials::new("placeholder", "placeholder", None, None, "placeholder"));
    loader.region(region).credentials_provider(credentials)
}

/// Whether an endpoint's host belongs to AWS.
fn is_aws(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or(host);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or(host).trim_end_matches('.').to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_aws_is_told_from_others() {
        for endpoint in [
            "https://sqs.eu-west-1.amazonaws.com",
            "https://vpce-1-2.sqs.us-east-1.vpce.amazonaws.com/",
            "https://sqs.cn-north-1.amazonaws.com.cn:443/x",
            "https://SQS.eu-west-1.api.aws.",
        ] {
            assert!(is_aws(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://127.0.0.1:9324",
            "http://[::1]:9324",
            "http://elasticmq",
            "http://x/amazonaws.com",
            "http://myamazonaws.com",
        ] {
            assert!(!is_aws(endpoint), "{endpoint}");
        }
    }
}
