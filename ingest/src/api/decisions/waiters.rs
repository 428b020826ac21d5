//! Who waits here for which decision.
//!
//! Invariant: a waiter is told of its decision, or its place is empty again when it goes; there are never more of them than
//! there are places. Absent: any memory of decisions. Who comes after its decision looks into the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daybook_domain::{RequestId, ResourceId};
use daybook_wire::LoggedDecision;
use tokio::sync::oneshot;

/// A decision, shared by all who wait for it.
pub type Decided = Arc<LoggedDecision>;

/// The waiters, by resource and request: a record on the topic says by its key whether it is worth reading.
#[derive(Debug, Clone)]
pub struct Waiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    next: u64,
    by_resource: BTreeMap<ResourceId, BTreeMap<RequestId, Vec<Place>>>,
}

/// A waiter's number, and where to tell it.
type Place = (u64, oneshot::Sender<Decided>);

impl Waiters {
    /// Nobody, and room for so many.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Inner { places, waiting: Mutex::default() }))
    }

    /// A place to wait for the decision on a request; none if every one is taken.
    pub fn enter(&self, resource: &ResourceId, request_id: RequestId) -> Option<Ticket> {
        let mut waiting = self.0.lock();
        if waiting.count >= self.0.places {
            return None;
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.count += 1;
        let (sender, decided) = oneshot::channel();
        let requests = waiting.by_resource.entry(resource.clone()).or_default();
        requests.entry(request_id).or_default().push((number, sender));
        Some(Ticket { waiters: self.clone(), resource: resource.clone(), request_id, number, decided })
    }

    /// Whether anybody waits for a decision about the resource with this key.
    pub fn care_for(&self, key: &[u8]) -> bool {
        let resource = std::str::from_utf8(key).ok().and_then(|text| text.parse::<ResourceId>().ok());
        resource.is_some_and(|resource| self.0.lock().by_resource.contains_key(&resource))
    }

    /// Tells everybody who waits for this decision.
    pub fn tell(&self, decided: &Decided) {
        let decision = &decided.decision;
        let mut waiting = self.0.lock();
        let Some(requests) = waiting.by_resource.get_mut(&decision.resource) else { return };
        let told = requests.remove(&decision.request_id).unwrap_or_default();
        if requests.is_empty() {
            waiting.by_resource.remove(&decision.resource);
        }
        waiting.count -= told.len();
        drop(waiting);
        for (_, sender) in told {
            // Whoever has just left needs no answer.
            let _ = sender.send(Arc::clone(decided));
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.lock().count
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the waiters. Given back when dropped.
#[derive(Debug)]
pub struct Ticket {
    waiters: Waiters,
    resource: ResourceId,
    request_id: RequestId,
    number: u64,
    decided: oneshot::Receiver<Decided>,
}

impl Ticket {
    /// The request that it is for.
    pub const fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Waits for the decision.
    pub async fn decided(&mut self) -> Option<Decided> {
        // The other end is dropped only with the waiters.
        (&mut self.decided).await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock();
        let Some(requests) = waiting.by_resource.get_mut(&self.resource) else { return };
        let Some(waiters) = requests.get_mut(&self.request_id) else { return };
        let before = waiters.len();
        waiters.retain(|(number, _)| *number != self.number);
        let left = before - waiters.len();
        if waiters.is_empty() {
            requests.remove(&self.request_id);
        }
        if requests.is_empty() {
            waiting.by_resource.remove(&self.resource);
        }
        waiting.count -= left;
    }
}

#[cfg(test)]
mod tests {
    use daybook_domain::{Basis, Decision, OperationKind, Outcome, SourceName, Timestamp};

    use super::*;

    fn resource(name: &str) -> ResourceId {
        name.parse().expect("a name")
    }

    fn id(name: &str) -> RequestId {
        RequestId::derive("test", name, 0)
    }

    fn decided(name: &str, resource: &str) -> Decided {
        Arc::new(LoggedDecision {
            partition: 0,
            seq: 1,
            offset: 0,
            previous_hash: [0; 32],
            core_version: "1".to_owned(),
            decision: Decision {
                request_id: id(name),
                request_digest: None,
                resource: self::resource(resource),
                operation: OperationKind::Book,
                source: SourceName::api(),
                basis: Basis::Asked,
                outcome: Outcome::Confirmed,
                resource_version: 1,
                booking: None,
                absorbed: Vec::new(),
                wanted: None,
                next_free: Vec::new(),
                rules: None,
                sourced_at: None,
                received_at: Timestamp::EPOCH,
                decided_at: Timestamp::EPOCH,
            },
        })
    }

    #[tokio::test]
    async fn everybody_who_waits_for_a_decision_hears_of_it_and_nobody_else() {
        let waiters = Waiters::new(10);
        let mut same = [waiters.enter(&resource("a"), id("1")), waiters.enter(&resource("a"), id("1"))]
            .map(|ticket| ticket.expect("a place"));
        let other = waiters.enter(&resource("a"), id("2")).expect("a place");
        assert!(waiters.care_for(b"a") && !waiters.care_for(b"b") && !waiters.care_for(b"\xff"));
        waiters.tell(&decided("1", "a"));
        for ticket in &mut same {
            assert_eq!(ticket.decided().await.map(|decided| decided.decision.request_id), Some(id("1")));
        }
        assert_eq!(waiters.len(), 1);
        drop((same, other));
        assert_eq!(waiters.len(), 0);
        assert!(!waiters.care_for(b"a"));
    }

    #[test]
    fn a_full_house_has_no_place_until_somebody_goes() {
        let waiters = Waiters::new(2);
        let first = waiters.enter(&resource("a"), id("1")).expect("a place");
        let _second = waiters.enter(&resource("b"), id("2")).expect("a place");
        assert!(waiters.enter(&resource("c"), id("3")).is_none());
        drop(first);
        assert!(waiters.enter(&resource("c"), id("3")).is_some());
        assert_eq!(waiters.len(), 1);
    }
}
