//! One TLS provider for the process.

/// Makes ring the process's provider. Called first thing in every `main` and test that speaks HTTP; calling it again
/// changes nothing.
pub fn install() {
    // An error means that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
