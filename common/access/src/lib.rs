//! Who we are at a vendor whose API is called: what the settings say of it, and how a token is asked for.
//!
//! In: settings, and the bytes of a key file. Out: a [`Credential`], or everything that is wrong, by the setting's name; the form that
//! asks for a token, and the token in an answer. Owns: credentials go over TLS, or stay on this machine ([`is_ours`]).
//! Absent on purpose: calls, clocks and files. `daybook-runtime` asks for the tokens, and keeps them.

mod credential;
pub mod grant;
mod sealed;

pub use credential::{Account, Credential, Grant, Rotating, Written, is_ours};
pub use grant::Granted;
pub use sealed::{SealKey, SealKeyError};
