//! Addresses of servers, with their credentials.

use std::fmt;

use redis::IntoConnectionInfo;

/// The url of a server. It may contain a password, so only host and port are displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Box<str>,
    shown: Box<str>,
}

impl Address {
    /// `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS.
    ///
    /// # Errors
    /// The expected form. The text contains nothing of the url.
    pub fn redis(url: &str) -> Result<Self, &'static str> {
        if !["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err("begin with redis:// or rediss://, for example \"redis://127.0.0.1:6379\"");
        }
        // The library's error may show a part of the url.
        let wrong = "write redis://user:password@host:port/database, with %40 for an @ in the password";
        let info = url.into_connection_info().map_err(|_| wrong)?;
        Ok(Self { url: url.into(), shown: format!("redis {}", info.addr()).into() })
    }

    /// `postgresql://user[:password]@host[:port][/database][?sslmode=disable]`, or `postgres://`.
    ///
    /// # Errors
    /// The expected form. The text contains nothing of the url.
    pub fn postgres(url: &str) -> Result<Self, &'static str> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err("begin with postgresql://, for example \"postgresql://cofferdam@127.0.0.1:5432/cofferdam\"");
        }
        let wrong = "write postgresql://user:password@host:port/database, with %40 for an @ in the password";
        let config: tokio_postgres::Config = url.parse().map_err(|_| wrong)?;
        let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = config.get_ports().get(index).or(config.get_ports().first()).copied().unwrap_or(5432);
            match host {
                tokio_postgres::config::Host::Tcp(host) => format!("{host}:{port}"),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        // The library ends the password at the first @; it would show the rest as a host.
        if hosts.iter().any(|host| host.contains('@')) {
            return Err(wrong);
        }
        if hosts.is_empty() {
            return Err("name the host, for example \"postgresql://cofferdam@127.0.0.1:5432/cofferdam\"");
        }
        if config.get_user().is_none() {
            return Err("name the user, for example \"postgresql://cofferdam@127.0.0.1:5432/cofferdam\"");
        }
        Ok(Self { url: url.into(), shown: format!("postgresql {}", hosts.join(",")).into() })
    }

    /// The complete url, for the library that connects.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_host_and_port() {
        let redis = Address::redis("rediss://me:hunter2@cache.example:6380/3").unwrap();
        assert_eq!(format!("{redis} {redis:?}"), "redis cache.example:6380 redis cache.example:6380");
        let postgres = Address::postgres("postgres://me:hunter2@db.example/orders?sslmode=require").unwrap();
        assert_eq!(format!("{postgres} {postgres:?}"), "postgresql db.example:5432 postgresql db.example:5432");
    }

    #[test]
    fn a_wrong_url_is_refused_without_showing_it() {
        let mut told = Vec::new();
        for url in ["", "hunter2", "http://a", "redis://me:hunter2@:x", "redis://me:hunter2@host/nine"] {
            told.push(Address::redis(url).unwrap_err());
        }
        for url in [
            "",
            "redis://a",
            "postgres://",
            "postgres://host",
            "postgres://a:hunter2@h:x/",
            "postgres://a:hunter2@h/?x=1",
            "postgres://a:x@hunter2@h/",
        ] {
            told.push(Address::postgres(url).unwrap_err());
        }
        assert!(told.iter().all(|told| !told.contains("hunter2")), "{told:?}");
    }
}
