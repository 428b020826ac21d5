//! The content type of a delivery: JSON in UTF-8, or 415.

/// The media type under which an accepted body goes on.
pub const JSON: &str = "application/json";

/// The content type is missing or is not JSON in UTF-8: 415.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("send the body as application/json, in UTF-8")]
pub struct Unsupported;

impl Unsupported {
    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        "unsupported_media_type"
    }

    /// The HTTP status that says it.
    pub const fn status(self) -> u16 {
        415
    }
}

/// Accepts `application/json` with any parameters, of which `charset` must be UTF-8 (RFC 8259 §8.1 knows no other).
pub fn check_content_type(header: Option<&str>) -> Result<(), Unsupported> {
    let mut parts = header.ok_or(Unsupported)?.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(JSON)) {
        return Err(Unsupported);
    }
    for parameter in parts.filter(|part| !part.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(Unsupported)?;
        if name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return Err(Unsupported);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_accepted_however_it_is_spelt() {
        for header in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x; charset=utf-8;",
        ] {
            assert_eq!(check_content_type(Some(header)), Ok(()), "{header}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for header in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json; charset",
            "json",
        ] {
            assert_eq!(check_content_type(Some(header)), Err(Unsupported), "{header}");
        }
        assert_eq!(check_content_type(None), Err(Unsupported));
    }
}
