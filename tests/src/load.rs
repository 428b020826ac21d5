//! Traffic: many customers of many resources, each with a short story, all at once.
//!
//! The stories are drawn from a seed. What is sent, and in which order by each customer, is the seed's; how the
//! customers interleave is the machine's, which is the point.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use futures::future::try_join_all;
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::calendly::Invitee;
use crate::generic::Appointment;
use crate::people::Person;
use crate::resources::Resource;
use crate::sender::Webhook;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
/// The length of a slot. Every booking begins at a slot and takes one or two.
const SLOT: Duration = Duration::from_secs(30 * 60);

/// What one customer's system sends, one after the other. A webhook that occurs twice is a duplicate delivery.
pub type Customer = Vec<Webhook>;

/// Customers who together send `webhooks` webhooks about these resources. Within `slots` slots of each resource, so the
/// fewer there are, the more of them are wanted twice.
pub fn customers(
    resources: &[Resource],
    webhooks: usize,
    slots: usize,
    word: &str,
    random: &mut StdRng,
) -> Vec<Customer> {
    let now = clock::now();
    let monday = now.plus(14 * 24 * 60 * MINUTE);
    let first = Timestamp::from_millis(monday.millis() / 86_400_000 * 86_400_000).unwrap_or(monday);
    let mut draw = Draw { random, first, slots, now, word: word.to_owned(), messages: 0 };
    let (mut all, mut total) = (Vec::new(), 0);
    while total < webhooks {
        let resource = &resources[draw.random.random_range(0..resources.len())];
        let mut customer = draw.customer(resource);
        customer.truncate(webhooks - total);
        total += customer.len();
        all.push(customer);
    }
    all
}

struct Draw<'a> {
    random: &'a mut StdRng,
    first: Timestamp,
    slots: usize,
    now: Timestamp,
    word: String,
    messages: u64,
}

impl Draw<'_> {
    fn slot(&mut self) -> (Timestamp, Timestamp) {
        let at = u32::try_from(self.random.random_range(0..self.slots)).unwrap_or(0);
        let length = self.random.random_range(1..=2_u32);
        let start = self.first.plus(SLOT * at);
        (start, start.plus(SLOT * length))
    }

    fn message(&mut self, event: &serde_json::Value) -> Webhook {
        self.messages += 1;
        Webhook::generic(format!("msg-{}-{}", self.word, self.messages), std::slice::from_ref(event))
    }

    /// Seven in ten only book; the others also cancel or move; one in ten has a system that says everything twice.
    fn customer(&mut self, resource: &Resource) -> Customer {
        let fate = self.random.random_range(0..10_u32);
        let (start, end) = self.slot();
        let (new_start, new_end) = self.slot();
        let mut webhooks = if self.random.random_bool(0.5) {
            let invitee = Invitee::new(&resource.host, Person::invent(), start, end, self.now);
            let later = self.now.plus(MINUTE);
            let mut webhooks = vec![Webhook::calendly(&invitee.created())];
            match fate {
                0 => webhooks.push(Webhook::calendly(&invitee.canceled(later))),
                1 => {
                    let (half, new) = invitee.moved(new_start, new_end, later);
                    webhooks.extend([Webhook::calendly(&half), Webhook::calendly(&new.created())]);
                }
                // Either half may come first.
                2 => {
                    let (half, new) = invitee.moved(new_start, new_end, later);
                    webhooks.extend([Webhook::calendly(&new.created()), Webhook::calendly(&half)]);
                }
                _ => {}
            }
            webhooks
        } else {
            let visit = Appointment::new(&resource.alias, Person::invent(), start, end);
            let mut webhooks = vec![self.message(&visit.created())];
            match fate {
                0 => webhooks.push(self.message(&visit.cancelled())),
                1 | 2 => {
                    let (moved, after) = visit.rescheduled(new_start, new_end);
                    webhooks.push(self.message(&moved));
                    if fate == 2 {
                        webhooks.push(self.message(&after.cancelled()));
                    }
                }
                _ => {}
            }
            webhooks
        };
        if self.random.random_range(0..10_u32) == 0 {
            webhooks = webhooks.into_iter().flat_map(|webhook| [webhook.clone(), webhook]).collect();
        }
        webhooks
    }
}

/// Traffic on its way.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    acknowledged: Arc<Mutex<Vec<Webhook>>>,
    attempts: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Traffic {
    /// How many webhooks are acknowledged so far, duplicates included.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// What is acknowledged so far.
    pub fn acknowledged(&self) -> Vec<Webhook> {
        self.lock().clone()
    }

    /// How often something was sent so far.
    pub fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Lets every customer finish the webhook it is at, and no more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Webhook>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends for all customers, `at_once` of them at a time, each webhook until it is acknowledged within `patience`.
    /// `pace` is the least time between two webhooks of one of them; zero for as fast as it goes.
    pub async fn run(
        &self,
        world: &World,
        customers: Vec<Customer>,
        at_once: usize,
        pace: Duration,
        patience: Duration,
    ) -> Result<()> {
        let queue = Mutex::new(VecDeque::from(customers));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        try_join_all((0..at_once).map(async |_| {
            while let Some(customer) = next() {
                self.serve(world, customer, pace, patience).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    async fn serve(&self, world: &World, customer: Customer, pace: Duration, patience: Duration) -> Result<()> {
        for webhook in customer {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let next = tokio::time::Instant::now() + pace;
            let attempts = world.sender.deliver(&webhook, patience).await?;
            self.attempts.fetch_add(usize::try_from(attempts)?, Ordering::Relaxed);
            self.lock().push(webhook);
            tokio::time::sleep_until(next).await;
        }
        Ok(())
    }
}
