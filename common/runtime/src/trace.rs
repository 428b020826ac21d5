//! W3C Trace Context, as far as passing it on needs: <https://www.w3.org/TR/trace-context/> §3.2.

/// The trace id inside a `traceparent`, for log lines; none if it is not well formed.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    let sound = hex(version, 2) && hex(trace, 32) && nonzero(trace) && hex(span, 16) && nonzero(span) && hex(flags, 2);
    sound.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_id_is_found_only_in_a_sound_header() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_id(&format!("00-{trace}-b7ad6b7169203331-01")), Some(trace));
        assert_eq!(trace_id("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
        assert_eq!(trace_id("jane@example.com"), None);
    }
}
