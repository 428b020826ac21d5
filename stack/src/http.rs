//! Just enough HTTP for a readiness probe: one GET on loopback, the status and the body.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long a probe waits for a part to connect, and again for it to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// GETs `path`; the error is a phrase for "not ready: ...".
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String), String> {
    let mut stream = connect(port)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| format!("port {port} took no request: {error}"))?;
    let mut answer = Vec::new();
    // A body larger than this tells a probe nothing more.
    let read = stream.take(64 * 1024).read_to_end(&mut answer);
    read.map_err(|error| format!("GET {path} got no answer: {error}"))?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| format!("GET {path} was not answered in HTTP"))
}

/// GETs `path` and requires the status 200.
pub(crate) fn expect_ok(port: u16, path: &str) -> Result<(), String> {
    match get(port, path)? {
        (200, _) => Ok(()),
        (status, body) => {
            let said: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
            Err(format!("GET {path} answered {status} {said}"))
        }
    }
}

/// A connection that gives up by itself.
pub(crate) fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE);
    let stream = stream.map_err(|error| format!("nothing answers on port {port}: {error}"))?;
    let timeouts = stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
    timeouts.map_err(|error| format!("no timeout can be set: {error}"))?;
    Ok(stream)
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.lines().next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_a_body_are_read() {
        assert_eq!(parse("HTTP/1.1 503 Busy\r\nA: b\r\n\r\nkafka"), Some((503, "kafka".to_owned())));
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n\r\n"), None);
    }
}
