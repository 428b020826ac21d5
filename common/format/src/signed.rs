//! How a delivery is signed: what a keyed hash is made over, and how it is written in which header.

use std::fmt;

use serde::Deserialize;

/// A signature: one keyed hash in one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The header that has it, in lower case.
    pub header: String,
    /// What stands before it in the header, such as `sha256=`.
    pub prefix: String,
    /// Which hash.
    pub hash: Hash,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// How the secret is written.
    pub secret: Encoding,
    /// What is signed, in this order.
    pub parts: Vec<Part>,
    /// Where the time of the signature is, if it has one.
    pub clock: Option<Clock>,
}

/// Which hash an HMAC is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal, in either case.
    Hex,
    /// Base64 with padding.
    Base64,
    /// As they stand; of a secret only.
    Text,
}

/// A piece of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The body as received.
    Body,
    /// The header of the time as received.
    Timestamp,
    /// The method of the request, `POST`.
    Method,
    /// The address that the source was given, as the settings have it: a proxy in front may have changed what we see.
    Url,
    /// This text.
    Text(String),
}

/// The header that has the time of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The header.
    pub header: String,
    /// How it is written.
    pub unit: Unit,
}

/// How the time of a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Unix seconds.
    Seconds,
    /// Unix milliseconds.
    Milliseconds,
    /// RFC 3339.
    Rfc3339,
}

/// Why a text does not say what is signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A brace without its partner.
    #[error("has a brace without its partner")]
    Brace,
    /// A word that means nothing.
    #[error("has {{{0}}}; only {{body}}, {{timestamp}}, {{method}} and {{url}} mean something")]
    Unknown(String),
    /// Not over the body.
    #[error("has no {{body}}; a signature that is not made over the body proves nothing of it")]
    NoBody,
}

/// Reads what is signed: `{body}`, `{timestamp}`, `{method}` and `{url}`, and any text between them.
pub fn parts(text: &str) -> Result<Vec<Part>, PartError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, word) = match rest.split_once('{') {
            Some((plain, after)) => {
                let (word, after) = after.split_once('}').ok_or(PartError::Brace)?;
                rest = after;
                (plain, Some(word))
            }
            None => (std::mem::take(&mut rest), None),
        };
        if plain.contains('}') {
            return Err(PartError::Brace);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.to_owned()));
        }
        match word {
            Some("body") => parts.push(Part::Body),
            Some("timestamp") => parts.push(Part::Timestamp),
            Some("method") => parts.push(Part::Method),
            Some("url") => parts.push(Part::Url),
            Some(word) => return Err(PartError::Unknown(word.to_owned())),
            None => {}
        }
    }
    if parts.contains(&Part::Body) { Ok(parts) } else { Err(PartError::NoBody) }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_reads_as_its_pieces_in_order() {
        assert_eq!(parts("{body}"), Ok(vec![Part::Body]));
        assert_eq!(
            parts("v0:{timestamp}.{body}"),
            Ok(vec![Part::Text("v0:".to_owned()), Part::Timestamp, Part::Text(".".to_owned()), Part::Body])
        );
    }

    #[test]
    fn what_is_not_over_the_body_or_means_nothing_is_refused() {
        assert_eq!(parts(""), Err(PartError::NoBody));
        assert_eq!(parts("{timestamp}"), Err(PartError::NoBody));
        assert_eq!(parts("{body"), Err(PartError::Brace));
        assert_eq!(parts("body}{body}"), Err(PartError::Brace));
        assert_eq!(parts("{uri}{body}"), Err(PartError::Unknown("uri".to_owned())));
        assert_eq!(
            PartError::Unknown("uri".to_owned()).to_string(),
            "has {uri}; only {body}, {timestamp}, {method} and {url} mean something"
        );
    }
}
