//! Checks the `Host` of requests. A web page can resolve its own name to this address (DNS rebinding) and read the answers;
//! such requests contain the name of the page.

use std::net::IpAddr;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};

/// Suffixes of names that cannot be registered on the internet.
const OURS: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];

/// Allowed names of the server besides addresses, `localhost`, names without a dot, and names with a suffix of [`OURS`].
#[derive(Debug, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// The answer to a request for another host name.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        let target = request.uri().authority().map(|authority| authority.as_str());
        // A request without a `Host` does not come from a browser.
        let stranger = headers.chain(target).find(|host| !self.knows(host))?;
        let text = format!(
            "unknown host: {}; expected an address, localhost or a name in `hosts` of [admin]\n",
            stranger.escape_debug()
        );
        let mut refusal = Response::new(Body::from(text));
        *refusal.status_mut() = StatusCode::MISDIRECTED_REQUEST;
        refusal.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
        Some(refusal)
    }

    /// Whether `host`, with or without a port, is a name of this server.
    fn knows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => name,
            _ => host,
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        address
            || self.0.contains(&name)
            || !name.is_empty() && plain(&name) && (!name.contains('.') || OURS.iter().any(|end| name.ends_with(end)))
    }
}

/// Whether this is an IPv6 address without brackets.
fn is_bare_v6(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_can_have_is_not_answered() {
        let hosts = Hosts::new(&["metrics.Example.com".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "127.0.0.1:9464",
            "10.1.2.3",
            "[::1]:9464",
            "[fd00::7]",
            "cofferdam:9464",
            "orders.default.svc.cluster.local:9464",
            "orders.default.svc",
            "vm.c.project.internal",
            "app.localhost",
            "metrics.example.com",
            "METRICS.example.com.:9464",
        ] {
            assert!(hosts.knows(host), "{host}");
        }
        for host in [
            "",
            "evil.test",
            "evil.test:9464",
            "127.0.0.1.evil.test",
            "127.0.0.1.nip.io:9464",
            "localhost.evil.test",
            "example.com",
            "a.metrics.example.com",
            "localhost@evil.test",
            "evil.test:localhost",
            "?",
            "ev\u{e4}l",
        ] {
            assert!(!hosts.knows(host), "{host}");
        }
    }

    #[test]
    fn every_name_of_a_request_counts() {
        let hosts = Hosts::default();
        let request = |uri: &str, host: &[&str]| {
            let request = host.iter().fold(Request::builder().uri(uri), |request, host| request.header("host", *host));
            hosts.refuse(&request.body(()).unwrap()).map(|refusal| refusal.status().as_u16())
        };
        assert_eq!(request("/health", &["localhost"]), None);
        assert_eq!(request("/health", &[]), None);
        assert_eq!(request("/health", &["evil.test"]), Some(421));
        assert_eq!(request("/health", &["localhost", "evil.test"]), Some(421));
        assert_eq!(request("http://evil.test/health", &["localhost"]), Some(421));
    }
}
