//! SQS: sources, sinks and dead letters, and their common parts: the client, resolving a queue, the classification of
//! failed calls, and the conversion between records and messages.

use std::collections::BTreeSet;
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

pub use connection::Connection;

use crate::broker::{Fit, Kind};
use crate::dead_letters::origins::Origins;
use crate::plan::{RouteConfig, Source};

pub mod attribute;
pub mod backoff;
pub mod batch;
pub mod body;
mod connection;
pub mod dead_letters;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(test)]
pub(crate) mod fake;
pub mod fault;
pub mod headers;
mod health;
mod purposes;
pub mod queue;
mod redrive;
pub mod settings;
pub mod sink;
pub mod source;
mod verify;
pub(crate) mod words;

/// The name of SQS in the configuration.
pub const NAME: &str = "sqs";

/// The destination for a queue, by name or by URL (`http...`). A queue is FIFO if its name ends in `.fifo`.
pub fn queue(name: impl Into<Arc<str>>) -> Destination {
    let name = name.into();
    let traits = DestinationTraits::queue(name.ends_with(".fifo"));
    Destination::new(NAME, name, traits)
}

/// The default dead-letter destination of a route that reads this queue: `<service>-dlq`, `<service>-dlq.fifo` for a
/// FIFO source.
pub fn letters_of(service: &str, source: &str) -> Destination {
    let suffix = if source.ends_with(".fifo") { ".fifo" } else { "" };
    // A queue name must not contain dots, except in the suffix `.fifo`.
    queue(format!("{}-dlq{suffix}", service.replace('.', "-")))
}

/// The description of SQS for code that works with any broker.
pub const KIND: Kind = Kind {
    name: NAME,
    destination: |name| queue(name),
    known_as: name_of,
    named: queues_of,
    fits: |name| match name {
        address if address.starts_with("http") && address.contains("://") => Fit::Only,
        name if name.ends_with(".fifo") => Fit::Likely,
        _ => Fit::Maybe,
    },
    matches: |_, _| false,
    is_open: false,
    verify: &verify::SIDE,
};

/// Returns all queues that the routes name. The redrive queue of a source is known only after the start.
pub fn queues_of(routes: &[RouteConfig]) -> BTreeSet<String> {
    let sources = routes.iter().map(|route| &route.source).filter(|source| source.broker == NAME);
    let destinations = routes.iter().flat_map(RouteConfig::destinations);
    let written = destinations.filter(|(destination, _)| destination.broker == NAME);
    let sources = sources.flat_map(Source::named).map(str::to_owned);
    sources.chain(written.map(|(queue, _)| queue.name.to_string())).collect()
}

/// Adds a queue that a route reads, by name or by URL. Dead letters name their origin by the queue name.
pub fn add_origin(address: &str, origins: &mut Origins) {
    origins.add(queue(name_of(address)));
}

/// The name of a queue that is given by name or by URL.
fn name_of(address: &str) -> &str {
    address.trim_end_matches('/').rsplit('/').next().unwrap_or(address)
}

/// Time limit of one call. A long poll takes at most 20 s, so a call that takes longer has no connection to the server.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Creates a client for SQS. The credentials come from the default chain of the AWS SDK: environment, profiles, single
/// sign-on, web identity, container and instance roles. The configuration of the host never contains a key.
///
/// `region` overrides the region of the chain. `endpoint` is for servers other than AWS and for private endpoints of
/// AWS. If its host is not under `amazonaws.com`, `amazonaws.com.cn` or `api.aws`, the server is assumed to check
/// neither region nor signature, as most test servers do:
///
/// * The region defaults to `us-east-1`.
/// * Credentials come only from explicit settings: environment, profiles, web identity, container role. The instance
///   metadata service is not asked, because machines that run such servers have none or forbid it (except for a profile
///   with `credential_source = Ec2InstanceMetadata`).
/// * Without credentials, placeholders sign the requests. They are no secret and grant nothing on AWS. Configured
///   credentials that do not work remain an error.
pub async fn client(region: Option<&str>, endpoint: Option<&str>) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Two attempts, because the server may have closed an idle connection. Further retries are the caller's task.
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

/// Sets region and credentials for a server that is not AWS.
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

/// Returns whether the host of an endpoint belongs to AWS.
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
