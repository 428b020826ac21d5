//! Confluent's wire format: a zero byte, the schema's id in four bytes big-endian, then the Avro datum.

/// Why bytes are not framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer than the five bytes of the header.
    #[error("value is shorter than the five bytes of the Confluent header")]
    TooShort,
    /// The first byte is not zero.
    #[error("value does not begin with the Confluent magic byte 0")]
    BadMagic,
}

/// Puts the header before an Avro datum.
pub fn frame(schema_id: u32, datum: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + datum.len());
    bytes.push(0);
    bytes.extend_from_slice(&schema_id.to_be_bytes());
    bytes.extend_from_slice(datum);
    bytes
}

/// Takes the header off: the writer's schema id, and the datum.
pub fn unframe(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let (head, datum) = bytes.split_first_chunk::<5>().ok_or(FrameError::TooShort)?;
    let [magic, id @ ..] = head;
    if *magic == 0 { Ok((u32::from_be_bytes(*id), datum)) } else { Err(FrameError::BadMagic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_a_zero_and_a_big_endian_id() {
        assert_eq!(frame(258, b"x"), [0, 0, 0, 1, 2, b'x']);
        assert_eq!(unframe(&[0, 0, 0, 1, 2, b'x']), Ok((258, &b"x"[..])));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(unframe(b""), Err(FrameError::TooShort));
        assert_eq!(unframe(&[0, 0, 0, 1]), Err(FrameError::TooShort));
        assert_eq!(unframe(b"{\"json\":1}"), Err(FrameError::BadMagic));
    }
}
