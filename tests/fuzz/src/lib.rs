//! Everything that reads a stranger's bytes, each as one function that panics if what must hold of it does not.
//!
//! In: any bytes. Out: nothing, or a panic. Two use it: `run`, with an engine that is led by coverage, and the test beside it,
//! which reads the fixtures and the corpus again in every `make test`.
//! Owns: what must hold. No panic; the same bytes come to the same; a request survives its wire format; an error text has
//! nobody's address. The engine adds the limits on time and memory.
//! Absent on purpose: knowledge of any format.

mod calendar;
mod delivery;
mod event;

/// A reader, and the world that it reads in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The normalizer, over events of one format.
    Event(event::Kind),
    /// Ingest, over what a vendor answers to the reading of a calendar; and the normalizer over what comes of it.
    Calendar(calendar::Kind),
    /// Ingest, over a delivery by webhook and the state that is fetched for it.
    Delivery,
    /// Ingest, over Microsoft's word that something has changed.
    Ping,
}

impl Target {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let events = event::Kind::ALL.into_iter().map(Self::Event);
        let calendars = calendar::Kind::ALL.into_iter().map(Self::Calendar);
        events.chain(calendars).chain([Self::Delivery, Self::Ping])
    }

    /// Its name, which is also that of the folder of its corpus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.name(),
            Self::Calendar(kind) => kind.name(),
            Self::Delivery => "delivery",
            Self::Ping => "ping",
        }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|target| target.name() == name)
    }

    /// Reads `bytes`, and panics if something does not hold.
    pub fn check(self, bytes: &[u8]) {
        match self {
            Self::Event(kind) => event::check(kind, bytes),
            Self::Calendar(kind) => calendar::check(kind, bytes),
            Self::Delivery => delivery::check(bytes),
            Self::Ping => delivery::check_ping(bytes),
        }
    }
}
