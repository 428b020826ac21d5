//! Which addresses are spoken to that somebody else may have named: public ones.
//!
//! Whoever may name a target, or a calendar, must not be able to make us speak to the machines behind our own walls (server-side request
//! forgery). A name is checked at what it resolves to, and the connection is made to just the addresses that were
//! checked, so that a second resolution cannot slip another one in. A name with one address that is not public is
//! refused altogether: honest names have none.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Resolves a name.
pub trait Lookup: Send + Sync {
    /// Every address that it has now.
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name is not spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
pub struct NotPublic;

/// A resolver that knows public addresses only.
#[derive(Clone)]
pub struct Guard {
    /// Who is spoken to, for the log.
    whom: String,
    lookup: Arc<dyn Lookup>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.whom)
    }
}

impl Guard {
    /// A resolver for calls to one target or source.
    pub fn new(whom: impl fmt::Display, lookup: Arc<dyn Lookup>) -> Self {
        Self { whom: whom.to_string(), lookup }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.lookup.addresses(name.as_str().to_owned());
        let whom = self.whom.clone();
        Box::pin(async move {
            let found = lookup.await?;
            if !found.iter().copied().all(is_public) {
                tracing::warn!(%whom, "not spoken to: the name resolves to an address that is not public");
                return Err(NotPublic.into());
            }
            // Port 0 becomes the URL's.
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet, by IANA's registries of special-purpose addresses.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether what an address names may be public: a name may, until it is resolved.
pub fn may_be_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        Some(Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        None => false,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,  // this network, private, loopback
        [100, 64..=127, ..] => true, // shared by a provider's customers (RFC 6598)
        [169, 254, ..] => true,      // link-local, and the cloud's metadata
        [172, 16..=31, ..] => true,  // private
        [192, 168, ..] => true,      // private
        [192, 0, 0 | 2, _] => true,  // protocol assignments, documentation
        [192, 88, 99, _] => true,    // 6to4 relays
        [198, 18..=19, ..] => true,  // benchmarks
        [198, 51, 100, _] => true,   // documentation
        [203, 0, 113, _] => true,    // documentation
        [168, 63, 129, 16] => true,  // public in form, yet one cloud's metadata
        [224..=255, ..] => true,     // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // An IPv4 address behind a translator (RFC 6052): as public as that one.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0x0000..=0x01ff, ..] => false, // protocol assignments, Teredo
        [0x2001, 0x0db8, ..] => false,          // documentation
        [0x2002, ..] => false,                  // 6to4: any IPv4 address inside
        [0x3fff, 0x0000..=0x0fff, ..] => false, // documentation
        // Global unicast. What lies outside is loopback, unspecified, IPv4-mapped, unique local, link- or site-local,
        // multicast, or nobody's yet.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_class_of_address_that_is_not_public_is_refused() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "168.63.129.16",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in refused {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn public_addresses_up_to_the_edges_of_the_refused_ranges_pass() {
        let passed = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "64:ff9b::808:808",
        ];
        for address in passed {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }

    /// Answers with the next list each time it is asked.
    struct Rebinding {
        answers: Vec<Vec<&'static str>>,
        asked: AtomicUsize,
    }

    impl Lookup for Rebinding {
        fn addresses(&self, _: String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
            let at = self.asked.fetch_add(1, Ordering::Relaxed);
            let found = self.answers[at].iter().map(|text| text.parse().expect("an address")).collect();
            Box::pin(async move { Ok(found) })
        }
    }

    async fn resolve(guard: &Guard) -> Option<Vec<String>> {
        let found = guard.resolve("hooks.example.com".parse().expect("a name")).await.ok()?;
        Some(found.map(|address| address.to_string()).collect())
    }

    #[tokio::test]
    async fn a_name_that_is_rebound_to_a_private_address_is_refused_from_then_on() {
        let answers = vec![vec!["8.8.8.8"], vec!["127.0.0.1"], vec!["8.8.8.8", "10.0.0.1"]];
        let lookup = Arc::new(Rebinding { answers, asked: AtomicUsize::new(0) });
        let guard = Guard::new("partner", Arc::clone(&lookup) as Arc<dyn Lookup>);
        // The connection is made to what was checked: the guard asks once a connection, and hands on what it saw.
        assert_eq!(resolve(&guard).await, Some(vec!["8.8.8.8:0".to_owned()]));
        assert_eq!(lookup.asked.load(Ordering::Relaxed), 1);
        assert_eq!(resolve(&guard).await, None);
        assert_eq!(resolve(&guard).await, None, "one bad address spoils the name");
    }
}
