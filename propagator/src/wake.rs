//! Waking a lane when there is news for it, so that nothing waits for a poll.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_domain::TargetName;
use tokio::sync::Notify;

/// The bells of all lanes, by target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bells(Arc<BTreeMap<String, Arc<Notify>>>);

impl Bells {
    pub fn new<'a>(targets: impl IntoIterator<Item = &'a TargetName>) -> Self {
        Self(Arc::new(targets.into_iter().map(|target| (target.to_string(), Arc::default())).collect()))
    }

    /// The bell of one lane. Kept if it rings while nobody listens.
    pub fn of(&self, target: &TargetName) -> Arc<Notify> {
        self.0.get(target.as_str()).map(Arc::clone).unwrap_or_default()
    }

    /// Rings for a target; no matter if it has no lane here.
    pub fn ring(&self, target: &str) {
        if let Some(bell) = self.0.get(target) {
            bell.notify_one();
        }
    }
}
