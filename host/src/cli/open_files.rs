//! The limit on open files of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as the system lets it. A route on Kafka takes twelve, and most shells and service managers begin with a limit of
/// 1,024: it protects programs that use `select`, all others are to raise it by themselves (systemd.exec(5), `LimitNOFILE`).
/// Nothing here does, nor does librdkafka.
pub(super) fn raise_limit() {
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "failed to raise the limit on open files; each route needs some of them");
    }
}
