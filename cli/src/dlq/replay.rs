//! `daybook dlq replay`: once more, now that the cause is mended.
//!
//! Safe to repeat: an event makes the same request ids again, and a request is decided once. A delivery is refused when
//! a newer version is wanted at its target, which is taken care of by itself.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use daybook_domain::topics;
use daybook_runtime::kafka::{Outgoing, Producer};
use daybook_wire::{DeliveryFailure, header};
use sqlx::PgPool;

use super::letter::{Letter, Queue};
use super::{Chosen, chosen};
use crate::config::Config;
use crate::connect::{self, Role};
use crate::failure::Failure;
use crate::out::{Out, note};
use crate::person::who;
use crate::store::{self, Unparked};
use crate::text;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct Replay {
    #[command(flatten)]
    chosen: Chosen,
    /// Who does it; without this, the user of this machine.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// How many are sent a second, so that live traffic goes on beside them.
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(50).expect("not 0"))]
    rate: NonZeroU32,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What one letter came to.
enum Done {
    Replayed(String),
    Passed(String),
    Refused(String),
}

/// Replays the letters.
pub async fn replay(args: &Replay, config: &Config, out: &Out) -> Result<(), Failure> {
    let by = who(args.by.as_deref())?;
    let letters = chosen(&args.chosen, config).await?;
    if letters.is_empty() {
        return out.line("no such dead letters");
    }
    let mut shell = Shell { config, dry_run: args.dry_run, producer: None, pool: None, sent: BTreeSet::new() };
    let (mut replayed, mut refused) = (0, 0);
    let mut turns = tokio::time::interval(Duration::from_secs(1) / args.rate.get());
    for letter in &letters {
        if !args.dry_run {
            turns.tick().await;
        }
        let place = format!("{} {}", letter.queue.as_str(), letter.id());
        match shell.replay(letter).await? {
            Done::Replayed(how) => {
                replayed += 1;
                shell.note(letter, &by).await;
                out.line(format_args!("{place}  {how}"))?;
            }
            Done::Passed(why) => out.line(format_args!("{place}  passed over: {why}"))?,
            Done::Refused(why) => {
                refused += 1;
                out.line(format_args!("{place}  REFUSED: {why}"))?;
            }
        }
    }
    let verb = if args.dry_run { "would be replayed" } else { "replayed" };
    out.line(format_args!("\n{} {verb}, {refused} refused", text::count(replayed, "letter")))?;
    if refused > 0 { Err(Failure::plain(format!("{} not replayed", text::count(refused, "letter")))) } else { Ok(()) }
}

struct Shell<'a> {
    config: &'a Config,
    dry_run: bool,
    producer: Option<Producer>,
    pool: Option<PgPool>,
    /// Which records were sent again: several items of one event are several letters with the same bytes.
    sent: BTreeSet<(String, String, String)>,
}

impl Shell<'_> {
    async fn replay(&mut self, letter: &Letter) -> Result<Done, Failure> {
        match (letter.queue, &letter.failure) {
            (Queue::Normalizer | Queue::Arbiter, _) => self.send(letter).await,
            (Queue::Propagator, Some(Ok(failure))) => self.unpark(failure).await,
            (Queue::Propagator, Some(Err(problem))) => Ok(Done::Refused(problem.clone())),
            (Queue::Propagator, None) => Ok(Done::Refused("it has no body".to_owned())),
        }
    }

    async fn send(&mut self, letter: &Letter) -> Result<Done, Failure> {
        let topic = match origin(letter) {
            Ok(topic) => topic,
            Err(problem) => return Ok(Done::Refused(problem)),
        };
        let Some(value) = letter.record.value.as_deref() else {
            return Ok(Done::Refused("it has no body".to_owned()));
        };
        let of = |name| letter.header(name).unwrap_or_default().to_owned();
        if !self.sent.insert((topic.clone(), of(header::ERROR_PARTITION), of(header::ERROR_OFFSET))) {
            return Ok(Done::Passed("another item of an event that was just sent".to_owned()));
        }
        if self.dry_run {
            return Ok(Done::Replayed(format!("would go to {topic}")));
        }
        let headers = letter.record.headers.clone().without_dead_letter();
        let key = letter.record.key.as_deref();
        let outgoing = Outgoing { topic: &topic, partition: None, key, value: Some(value), headers: &headers };
        let producer = match &self.producer {
            Some(producer) => producer.clone(),
            None => self.producer.insert(connect::producer(self.config)?).clone(),
        };
        let receipt = producer.send_and_wait(outgoing).await.map_err(|error| {
            Failure::new(format!("cannot send letter {} to {topic}", letter.id()), error)
                .next("those above were sent; sending them again does no harm")
        })?;
        Ok(Done::Replayed(format!("sent to {topic} {}:{}", receipt.partition, receipt.offset)))
    }

    fn pool(&mut self) -> Result<PgPool, Failure> {
        match &self.pool {
            Some(pool) => Ok(pool.clone()),
            None => Ok(self.pool.insert(connect::store(self.config)?).clone()),
        }
    }

    /// Notes who has replayed it. Where that cannot be noted, it was replayed all the same.
    async fn note(&mut self, letter: &Letter, by: &str) {
        if self.dry_run {
            return;
        }
        let role = letter.queue.role();
        let noted = match self.pool() {
            Ok(pool) => store::put_replayed(&pool, &letter.place(), by)
                .await
                .map_err(|error| role.explain("note who has replayed it", &error)),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = noted {
            note(format_args!("{failure}; it was replayed, and stays on the list"));
        }
    }

    async fn unpark(&mut self, failure: &DeliveryFailure) -> Result<Done, Failure> {
        let DeliveryFailure { booking_id, target, desired_version, .. } = failure;
        if self.dry_run {
            return Ok(Done::Replayed(format!(
                "{target} would be told version {desired_version} of booking {booking_id}, unless a newer one is wanted"
            )));
        }
        let pool = self.pool()?;
        let unparked = store::unpark(&pool, *booking_id, target.as_str(), *desired_version).await;
        let unparked = unparked.map_err(|error| Role::Propagator.explain("take up a delivery again", &error))?;
        Ok(match unparked {
            Unparked::Done => {
                Done::Replayed(format!("{target} will be told version {desired_version} of booking {booking_id}"))
            }
            Unparked::Superseded { by } => Done::Refused(format!(
                "superseded: {target} is to show version {by} of booking {booking_id}, and an older state never follows a newer one"
            )),
            Unparked::NotParked => {
                Done::Passed(format!("{target} has it, or is being told: it was taken up again already"))
            }
            Unparked::Unknown => Done::Refused(format!("{target} has no delivery of booking {booking_id}")),
        })
    }
}

/// The topic that a letter goes back to. A header names it, and whoever can write dead letters can write headers: so
/// only where such letters come from.
fn origin(letter: &Letter) -> Result<String, String> {
    let topic = letter.header(header::ERROR_TOPIC).ok_or("it does not say which topic it came from")?;
    let right = match letter.queue {
        Queue::Normalizer => topic.starts_with("raw."),
        Queue::Arbiter => topic == topics::REQUESTS,
        Queue::Propagator => false,
    };
    if right { Ok(topic.to_owned()) } else { Err(format!("it says that it came from {topic}, which it cannot have")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::letter::samples;

    #[test]
    fn a_letter_goes_back_to_where_such_letters_come_from_and_nowhere_else() {
        let mut letter = samples::event();
        assert_eq!(origin(&letter), Ok("raw.generic".to_owned()));
        letter.record.headers.set(header::ERROR_TOPIC, topics::CANONICAL);
        assert!(origin(&letter).is_err());
        letter.queue = Queue::Arbiter;
        letter.record.headers.set(header::ERROR_TOPIC, topics::REQUESTS);
        assert_eq!(origin(&letter), Ok(topics::REQUESTS.to_owned()));
    }
}
