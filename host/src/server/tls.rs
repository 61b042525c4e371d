//! TLS with the certificates that the machine trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Checks names and certificates, wherever it is used.
pub(crate) fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be read are not trusted, the others are: also where there is none at all, since the
    // server may do without TLS.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("failed to set up TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
