//! The content type of a delivery: JSON, or the form of a vendor that sends forms, in UTF-8; or 415.

use daybook_format::Media;

/// The media type under which an accepted body of JSON goes on.
pub const JSON: &str = Media::Json.content_type();

/// The content type is missing, or is not what the source sends, in UTF-8: 415.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("send the body as the source's format has it, application/json for most, in UTF-8")]
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

/// Accepts the media type with any parameters, of which `charset` must be UTF-8 (RFC 8259 §8.1 knows no other for JSON,
/// and the URL standard none for forms).
pub fn check_content_type(header: Option<&str>, media: Media) -> Result<(), Unsupported> {
    let mut parts = header.ok_or(Unsupported)?.split(';').map(str::trim);
    if !parts.next().is_some_and(|told| told.eq_ignore_ascii_case(media.content_type())) {
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
            assert_eq!(check_content_type(Some(header), Media::Json), Ok(()), "{header}");
            assert_eq!(check_content_type(Some(header), Media::Form), Err(Unsupported), "{header}");
        }
    }

    #[test]
    fn a_form_is_accepted_where_the_source_sends_forms() {
        for header in ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"] {
            assert_eq!(check_content_type(Some(header), Media::Form), Ok(()), "{header}");
            assert_eq!(check_content_type(Some(header), Media::Json), Err(Unsupported), "{header}");
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
            assert_eq!(check_content_type(Some(header), Media::Json), Err(Unsupported), "{header}");
        }
        assert_eq!(check_content_type(None, Media::Json), Err(Unsupported));
    }
}
