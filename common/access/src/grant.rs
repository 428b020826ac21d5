//! How an access token is asked for: by an assertion that a service account signs (RFC 7523 §2.1), as Google wants it, or by
//! the secret of an app (RFC 6749 §4.4), as Microsoft does.

use std::fmt;
use std::time::Duration;

use daybook_domain::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

/// The longest life that Google grants an assertion.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// A token that does not say how long it lives is used this long.
const LIFE_UNSAID: Duration = Duration::from_secs(5 * 60);

/// The key of a service account. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    key_id: String,
    issuer: String,
    /// Where assertions are taken in, and so whom they are for.
    pub audience: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// Why a key file is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not what a console gives out.
    #[error("is no key file of a service account: JSON with client_email, private_key, private_key_id and token_uri")]
    Shape,
    /// There is something else in it.
    #[error("has a private_key that is no RSA key in PEM")]
    Key,
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: String,
    token_uri: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

/// What is granted. Its `Debug` shows no token.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The access token.
    pub access: String,
    /// How long it lives.
    pub lives: Duration,
    /// The refresh token that counts from now on, if it is another.
    pub refresh: Option<String>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({:?})", self.lives)
    }
}

impl Signer {
    /// From the file that the vendor's console gives out.
    pub fn new(file: &[u8]) -> Result<Self, KeyFileError> {
        let file: KeyFile = serde_json::from_slice(file).map_err(|_| KeyFileError::Shape)?;
        let key = EncodingKey::from_rsa_pem(file.private_key.as_bytes()).map_err(|_| KeyFileError::Key)?;
        Ok(Self { key, key_id: file.private_key_id, issuer: file.client_email, audience: file.token_uri })
    }

    /// An assertion that asks for `scope`, in the name of `subject` if there is one.
    pub fn assertion(&self, scope: &str, subject: Option<&str>, now: Timestamp) -> Option<String> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        let iat = now.millis() / 1_000;
        let exp = now.plus(LIFE).millis() / 1_000;
        let claims = Claims { iss: &self.issuer, scope, aud: &self.audience, sub: subject, iat, exp };
        encode(&header, &claims, &self.key).ok()
    }
}

/// The form that takes an assertion to its audience.
pub fn assertion_form(assertion: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .append_pair("assertion", assertion)
        .finish()
}

/// The form in which an app asks for `scope` by its secret.
pub fn secret_form(id: &str, secret: &str, scope: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", id)
        .append_pair("client_secret", secret)
        .append_pair("scope", scope)
        .finish()
}

/// The form in which an app asks for the next tokens by the refresh token that it has.
pub fn refresh_form(id: &str, secret: &str, refresh: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", id)
        .append_pair("client_secret", secret)
        .append_pair("refresh_token", refresh)
        .finish()
}

/// What is granted, by an answer.
pub fn read(answer: &[u8]) -> Option<Granted> {
    let Answer { access_token: access, expires_in, refresh_token } = serde_json::from_slice(answer).ok()?;
    let lives = expires_in.map_or(LIFE_UNSAID, Duration::from_secs);
    let refresh = refresh_token.filter(|token| !token.is_empty());
    (!access.is_empty()).then_some(Granted { access, lives, refresh })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    use super::*;

    /// Made for this test by `openssl genrsa 2048`, and of no other use.
    const PRIVATE: &str = include_str!("grant/test-key.pem");
    const PUBLIC: &str = include_str!("grant/test-key.pub.pem");

    fn file(private_key: &str) -> Vec<u8> {
        json!({"type": "service_account", "client_email": "sync@example.iam", "private_key": private_key,
            "private_key_id": "k1", "token_uri": "https://oauth2.example/token"})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed() {
        let signer = Signer::new(&file(PRIVATE)).expect("a key file");
        let now: Timestamp = "2026-03-04T09:00:00Z".parse().expect("a time");
        let assertion = signer.assertion("calendar.readonly", Some("anna@example.com"), now).expect("signed");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["https://oauth2.example/token"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).expect("a key");
        let read = decode::<Value>(&assertion, &key, &validation).expect("signed by it");
        assert_eq!(read.header.kid.as_deref(), Some("k1"));
        assert_eq!(
            read.claims,
            json!({"iss": "sync@example.iam", "scope": "calendar.readonly", "aud": "https://oauth2.example/token",
                "sub": "anna@example.com", "iat": 1_772_614_800, "exp": 1_772_618_400})
        );
        let own = signer.assertion("calendar.readonly", None, now).expect("signed");
        let own = decode::<Value>(&own, &key, &validation).expect("signed by it");
        assert!(own.claims.get("sub").is_none());
        let asked = secret_form("app", "s&cret", "https://graph.example/.default");
        assert_eq!(
            asked,
            "grant_type=client_credentials&client_id=app&client_secret=s%26cret&scope=https%3A%2F%2Fgraph.example%2F.default"
        );
        assert!(
            assertion_form(&assertion)
                .starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey")
        );
    }

    #[test]
    fn a_file_that_is_none_says_what_it_lacks() {
        assert_eq!(Signer::new(b"{}").expect_err("none"), KeyFileError::Shape);
        assert_eq!(Signer::new(&file("-----BEGIN nothing-----")).expect_err("none"), KeyFileError::Key);
        assert_eq!(format!("{:?}", Signer::new(&file(PRIVATE)).expect("a key file")), "Signer(…)");
    }

    #[test]
    fn a_granted_token_is_read_and_an_error_in_a_200_is_none() {
        let granted = |lives, refresh: Option<&str>| {
            Some(Granted { access: "t".to_owned(), lives, refresh: refresh.map(str::to_owned) })
        };
        let hour = Duration::from_secs(3_599);
        assert_eq!(read(br#"{"access_token": "t", "expires_in": 3599}"#), granted(hour, None));
        assert_eq!(read(br#"{"access_token": "t"}"#), granted(LIFE_UNSAID, None));
        let rotated = br#"{"access_token": "t", "expires_in": 3599, "refresh_token": "r2"}"#;
        assert_eq!(read(rotated), granted(hour, Some("r2")));
        assert!(!format!("{:?}", read(rotated)).contains("r2"));
        let asked = refresh_form("app", "s&cret", "r1");
        assert_eq!(asked, "grant_type=refresh_token&client_id=app&client_secret=s%26cret&refresh_token=r1");
        for none in [&b"{}"[..], b"", br#"{"error": "invalid_grant"}"#, br#"{"access_token": ""}"#] {
            assert_eq!(read(none), None);
        }
    }
}
