//! W3C Trace Context: the `traceparent` header, read strictly, and made from random bytes that the shell supplies.
//!
//! Source: W3C Trace Context, §3.2. Only version 00 is taken over; of another version or a faulty header nothing is
//! believed and a new trace begins, as §4.3 asks. `tracestate` is not carried.

use std::fmt;
use std::str::FromStr;

/// Of the flags, version 00 defines one; the rest must not be passed on.
const SAMPLED: u8 = 0x01;

/// Why a text is not a `traceparent` that is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a traceparent of version 00 with ids that are not zero")]
pub struct TraceParentError;

/// Who called, in which trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    parent: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// The root of a new trace, sampled. The bytes come from the shell's randomness.
    pub fn root(trace: [u8; 16], span: [u8; 8]) -> Self {
        Self { trace: not_zero(trace), parent: not_zero(span), flags: SAMPLED }
    }

    /// The same trace, one call further: `span` is the caller now.
    pub fn child(&self, span: [u8; 8]) -> Self {
        Self { trace: self.trace, parent: not_zero(span), flags: self.flags & SAMPLED }
    }

    /// What to send on: the child of what came in, if that reads; else the root of a new trace.
    pub fn continue_or_root(incoming: Option<&str>, trace: [u8; 16], span: [u8; 8]) -> Self {
        match incoming.map(str::parse::<Self>) {
            Some(Ok(parent)) => parent.child(span),
            Some(Err(TraceParentError)) | None => Self::root(trace, span),
        }
    }

    /// The id of the trace, 32 hexadecimal digits: what a person searches for.
    pub fn trace_id(&self) -> String {
        hex::encode(self.trace)
    }
}

/// All zeros means "none" in this format; random bytes that happen to be so are nudged.
fn not_zero<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes == [0; N] {
        bytes[N - 1] = 1;
    }
    bytes
}

impl FromStr for TraceParent {
    type Err = TraceParentError;
    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or(TraceParentError);
        let (version, trace, parent, flags) = (next()?, next()?, next()?, next()?);
        if version != "00" || next().is_ok() {
            return Err(TraceParentError);
        }
        let (trace, parent) = (digits::<16>(trace)?, digits::<8>(parent)?);
        if trace == [0; 16] || parent == [0; 8] {
            return Err(TraceParentError);
        }
        let [flags] = digits::<1>(flags)?;
        Ok(Self { trace, parent, flags })
    }
}

/// Lower-case hexadecimal only.
fn digits<const N: usize>(text: &str) -> Result<[u8; N], TraceParentError> {
    let mut bytes = [0; N];
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(TraceParentError);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| TraceParentError)?;
    Ok(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex::encode(self.trace), hex::encode(self.parent), self.flags)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_child_keeps_the_trace_and_the_sampling_and_names_itself_as_the_caller() {
        let child = TraceParent::continue_or_root(Some(INCOMING), [1; 16], [2; 8]);
        assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-0202020202020202-01");
        let unsampled = INCOMING.replace("-01", "-fe");
        let child = TraceParent::continue_or_root(Some(&unsampled), [1; 16], [2; 8]);
        assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-0202020202020202-00");
    }

    #[test]
    fn a_faulty_or_missing_header_begins_a_new_trace() {
        for header in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(header.parse::<TraceParent>(), Err(TraceParentError), "{header}");
        }
        let root = TraceParent::continue_or_root(None, [1; 16], [0; 8]);
        assert_eq!(root.to_string(), "00-01010101010101010101010101010101-0000000000000001-01");
        assert_eq!(root.trace_id(), "01".repeat(16));
    }

    proptest! {
        #[test]
        fn what_is_made_reads_back(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>()) {
            let root = TraceParent::root(trace, span);
            prop_assert_eq!(root.to_string().parse(), Ok(root));
        }

        #[test]
        fn no_header_makes_it_panic(header in ".{0,80}") {
            let _ = header.parse::<TraceParent>();
        }
    }
}
