//! The shell, simulated: the production loop over a log, a store and topics in memory, under a virtual clock, with
//! seeded faults at every await.
//!
//! One seed is one run: a few arbiters, a few resources on one or two partitions, some dozens of requests. `world.rs`
//! says what may go wrong, `judge.rs` what must be so whatever went wrong. A seed that fails is printed; `SEED=` runs it
//! alone and tells everything that happened. `DAYBOOK_SOAK=1` runs as many as ten minutes hold, others each time.
//!
//! Real: `worker.rs`, `fate.rs`, `recover.rs`, `patience.rs`, `publish.rs`, `canonical.rs`, `cache.rs`, `batch.rs`,
//! `compensation.rs`, `rows.rs`, and the core. Modelled, after the code beside it: the store's statements (`tables.rs`,
//! `server.rs`, `books.rs`), Kafka's client (`host.rs`), the claim of `ownership.rs` (`process.rs`), the group
//! (`stage.rs`), `expiry.rs` (`story.rs`).
//!
//! Left out, because nothing heals it: a store that has lost a claim, beside verdicts that were made without the core.
//! The predecessor, should it thaw, is the owner again, knows nothing of what its successor has published, and may find
//! otherwise what could not be read or written then.

mod books;
mod broker;
pub mod bug;
mod dice;
mod host;
mod judge;
mod listener;
mod process;
mod server;
mod stage;
mod story;
mod tables;
mod tests;
mod topics;
mod world;
