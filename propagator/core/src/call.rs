//! One HTTP call and its answer, as data. The shell sends the one and fills in the other.
//!
//! Bodies hold what people see, and an address may hold a user's name, so `Debug` shows neither.

use std::fmt;

use daybook_wire::RetryAfter;

/// The HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Store.
    Put,
    /// Remove.
    Delete,
    /// Send.
    Post,
    /// Change some of it.
    Patch,
    /// List (RFC 3253, as CalDAV uses it).
    Report,
}

impl Method {
    /// As it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Report => "REPORT",
        }
    }
}

/// One HTTP request, without the target's address and credentials, which the shell adds.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Below the target's address; empty for the address itself.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
}

impl Call {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} with {} bytes)", self.method.as_str(), self.body.len())
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The target answered.
    Replied(Reply),
    /// The request cannot have arrived: no name, no route, no connection, no TLS.
    NotSent,
    /// The request may have arrived, and no whole answer came back in time.
    Lost,
}

/// The parts of a response that matter.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Retry-After`, understood.
    pub retry_after: Option<RetryAfter>,
    /// The body; the shell bounds it.
    pub body: Vec<u8>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} with {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_texts_of_a_call_and_a_reply_show_neither_address_nor_body() {
        let call = Call {
            method: Method::Put,
            path: "jane/x.ics".to_owned(),
            headers: vec![("if-match", "\"jane\"".to_owned())],
            body: b"SUMMARY:jane".to_vec(),
        };
        let reply = Reply { status: 200, body: b"SUMMARY:jane".to_vec(), ..Reply::default() };
        assert_eq!(format!("{call:?} {reply:?}"), "Call(PUT with 12 bytes) Reply(200 with 12 bytes)");
    }
}
