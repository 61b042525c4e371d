//! One entry of an HTTP grant: scheme, host, port, methods and addresses.

use std::net::IpAddr;

use http::uri::{Authority, Scheme};
use http::{Method, Uri};
use ipnet::IpNet;

use super::address::{self, Reach};

/// One entry of an HTTP grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `http` or `https`.
    pub(super) scheme: Scheme,
    /// In lower case; an IPv6 address has brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// If empty, all of [`METHODS`].
    methods: Vec<Method>,
    pub(super) reach: Reach,
}

/// The methods of an entry that lists none. CONNECT would make a tunnel of a connection, and TRACE returns headers that
/// proxies add.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Why a request is not granted. The order is by how close an entry comes to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plugin) enum Miss {
    /// No entry has this host.
    Host,
    /// An entry has the host, but with another scheme.
    Scheme,
    /// An entry has host and scheme, but with another port.
    Port,
    /// An entry has all but the method.
    Method,
}

impl Miss {
    /// The value of the `reason` label in metrics.
    pub(in crate::plugin) fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Scheme => "scheme",
            Self::Port => "port",
            Self::Method => "method",
        }
    }
}

impl Rule {
    /// Parses a host: `api.example.com`, `https://api.example.com:8443`, `http://10.0.0.7:8080`. The default scheme is
    /// `https`. An address as host grants itself, so it need not be public.
    ///
    /// # Errors
    /// A text that says what was expected.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let wrong =
            "write a host, for example \"api.example.com\", \"api.example.com:8443\" or \"http://10.0.0.7:8080\"";
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::HTTPS, text),
            Some(("https", rest)) => (Scheme::HTTPS, rest),
            Some(("http", rest)) => (Scheme::HTTP, rest),
            Some(_) => return Err("expected the scheme http or https"),
        };
        if rest.contains('@') {
            return Err("remove user and password; pass them to the plugin as secrets");
        }
        if rest.contains('*') {
            return Err("list each host; patterns are not supported");
        }
        let authority: Authority = rest.parse().map_err(|_| wrong)?;
        let host = authority.host().to_ascii_lowercase();
        let port = port(&authority, &scheme).filter(|port| *port > 0).ok_or(wrong)?;
        let literal = literal(&host);
        if literal.is_none() && !is_name(&host) {
            return Err(wrong);
        }
        let ranges = literal.into_iter().map(|literal| IpNet::from(address::meant(literal))).collect();
        let reach = Reach { private: false, ranges };
        Ok(Self { scheme, host: host.into(), port, methods: Vec::new(), reach })
    }

    /// Restricts the rule to these methods.
    ///
    /// # Errors
    /// A text that says what was expected.
    pub fn with_methods(mut self, methods: &[String]) -> Result<Self, &'static str> {
        let wrong = "write methods in capitals, for example [\"GET\", \"POST\"]";
        for method in methods {
            let known: Method = method.parse().map_err(|_| wrong)?;
            if known == Method::CONNECT || known == Method::TRACE {
                return Err("CONNECT and TRACE are never granted");
            }
            if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
                return Err(wrong);
            }
            self.methods.push(known);
        }
        if self.methods.is_empty() { Err(wrong) } else { Ok(self) }
    }

    /// Allows these addresses beside public ones.
    #[must_use]
    pub fn with_reach(mut self, reach: Reach) -> Self {
        self.reach.private |= reach.private;
        self.reach.ranges.extend(reach.ranges);
        self
    }

    /// Returns scheme, host and port for display.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    /// Returns why the request is not granted; `None` if it is granted.
    pub(super) fn misses(&self, method: &Method, uri: &Uri) -> Option<Miss> {
        let (Some(authority), Some(scheme)) = (uri.authority(), uri.scheme()) else { return Some(Miss::Host) };
        let methods = if self.methods.is_empty() { &METHODS[..] } else { &self.methods };
        if !authority.host().eq_ignore_ascii_case(&self.host) {
            Some(Miss::Host)
        } else if *scheme != self.scheme {
            Some(Miss::Scheme)
        } else if port(authority, scheme) != Some(self.port) {
            Some(Miss::Port)
        } else if !methods.contains(method) {
            Some(Miss::Method)
        } else {
            None
        }
    }
}

/// Returns the address if the host is an address and not a name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Returns the explicit port, else the default port of the scheme. `None` if the explicit port is invalid.
fn port(authority: &Authority, scheme: &Scheme) -> Option<u16> {
    let text = authority.as_str();
    let (_, after) = text.split_at(text.rfind(authority.host())? + authority.host().len());
    match after.strip_prefix(':') {
        Some(port) => port.parse().ok(),
        None => Some(if *scheme == Scheme::HTTP { 80 } else { 443 }),
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misses(rule: &str, method: &str, uri: &str) -> Option<Miss> {
        Rule::new(rule).unwrap().misses(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    #[test]
    fn a_host_is_granted_at_its_scheme_and_port() {
        for uri in ["https://api.example.com/x?y", "https://API.example.com:443/"] {
            assert_eq!(misses("api.example.com", "GET", uri), None, "{uri}");
        }
        for (uri, miss) in [
            ("http://api.example.com/", Miss::Scheme),
            ("https://api.example.com:8443/", Miss::Port),
            ("https://api.example.com:/", Miss::Port),
            ("https://api.example.com:65979/", Miss::Port),
            ("https://example.com/", Miss::Host),
            ("https://x.api.example.com/", Miss::Host),
            ("https://api.example.com./", Miss::Host),
            ("https://api.example.com.evil.test/", Miss::Host),
        ] {
            assert_eq!(misses("api.example.com", "GET", uri), Some(miss), "{uri}");
        }
        assert_eq!(misses("http://10.0.0.7:8080", "GET", "http://10.0.0.7:8080/"), None);
        assert_eq!(misses("http://[fd00::7]", "GET", "http://[fd00::7]/"), None);
        assert_eq!(misses("http://10.0.0.7:8080", "GET", "http://10.0.0.7/"), Some(Miss::Port));
    }

    #[test]
    fn methods_are_granted_by_name() {
        assert_eq!(misses("a.test", "DELETE", "https://a.test/"), None);
        assert_eq!(misses("a.test", "CONNECT", "https://a.test/"), Some(Miss::Method));
        assert_eq!(misses("a.test", "PROPFIND", "https://a.test/"), Some(Miss::Method));
        let methods = ["GET".to_owned(), "PROPFIND".to_owned()];
        let rule = Rule::new("a.test").unwrap().with_methods(&methods).unwrap();
        let uri = "https://a.test/".parse().unwrap();
        assert_eq!(rule.misses(&"PROPFIND".parse().unwrap(), &uri), None);
        assert_eq!(rule.misses(&Method::POST, &uri), Some(Miss::Method));
        for wrong in [&["CONNECT"][..], &["TRACE"], &["get"], &["G T"], &[]] {
            let wrong: Vec<String> = wrong.iter().map(|method| (*method).to_owned()).collect();
            assert!(Rule::new("a.test").unwrap().with_methods(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_address_stands_for_itself_and_a_name_for_none() {
        let allows = |rule: &str, address: &str| Rule::new(rule).unwrap().reach.allows(address.parse().unwrap());
        assert!(allows("http://127.0.0.1:8080", "127.0.0.1"));
        assert!(allows("http://[::ffff:127.0.0.1]", "127.0.0.1"));
        assert!(!allows("http://127.0.0.1:8080", "127.0.0.2"));
        assert!(!allows("http://localhost:8080", "127.0.0.1"));
        // Not an address in any standard, but some resolvers accept it as one.
        assert!(!allows("http://127.1", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "https://",
            "ftp://a.test",
            "a.test/x",
            "a.test?x",
            "u:p@a.test",
            "*.a.test",
            "a..test",
            "a.test.",
            "a test",
            "a.test:",
            "a.test:0",
            "a.test:65536",
            "::1",
            "ä.test",
        ] {
            assert!(Rule::new(text).is_err(), "{text}");
        }
    }
}
