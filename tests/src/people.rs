//! People who do not exist, and how to find them again where they must not be.
//!
//! Everything personal that the tests send (names, addresses, numbers, titles, reasons, what a vendor calls a booking or
//! a calendar) holds one mark of this run. A log or a metric that holds the mark has told on somebody.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::seed::{generator, word};

/// A person who books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Given and family name.
    pub name: String,
    /// Below `example`, which reaches nobody (RFC 2606).
    pub email: String,
    /// Below a prefix of this run.
    pub phone: String,
}

/// The mark of this run, in everything personal: a word that occurs nowhere else.
pub fn mark() -> &'static str {
    static MARK: LazyLock<String> = LazyLock::new(|| format!("pii{}", word(&mut generator(rand::random(), 1), 12)));
    &MARK
}

/// The mark of this run in telephone numbers, which have no letters.
pub fn phone_mark() -> &'static str {
    static MARK: LazyLock<String> = LazyLock::new(|| {
        let number: u64 = rand::random();
        format!("4930{:07}", number % 10_000_000)
    });
    &MARK
}

/// The mark of this run in the names of calendars, which their own server may log, and nobody else.
pub fn calendar_mark() -> &'static str {
    static MARK: LazyLock<String> = LazyLock::new(|| format!("cal{}", word(&mut generator(rand::random(), 2), 12)));
    &MARK
}

/// The next number, for things that must not share a name.
pub fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Person {
    /// Somebody new.
    pub fn invent() -> Self {
        let number = next_number();
        Self {
            name: format!("Zelda {} the {number}th", mark()),
            email: format!("zelda.{}.{number}@guests.example", mark()),
            phone: format!("+{}{:04}", phone_mark(), number % 10_000),
        }
    }

    /// Somebody with a name, for people to read.
    pub fn named(name: &str) -> Self {
        let local = name.to_lowercase().replace(' ', ".");
        Self { name: name.to_owned(), email: format!("{local}@guests.example"), phone: "+49305550123".to_owned() }
    }
}

/// A text with the mark, for titles and reasons.
pub fn marked(text: &str) -> String {
    format!("{text} {}", mark())
}
