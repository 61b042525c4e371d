//! The limit on open files of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files to the maximum that the system allows. A route on Kafka uses twelve, and most shells
/// and service managers start with a limit of 1,024. That limit protects programs that use `select`; all others should
/// raise it themselves (systemd.exec(5), `LimitNOFILE`). Neither the host nor librdkafka uses `select`.
pub(super) fn raise_limit() {
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "failed to raise the limit on open files; each route needs some of them");
    }
}
