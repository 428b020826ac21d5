//! The protocols: thin shells around the calls that the core composes and the answers that it judges.

mod caldav;
mod mirror;
mod sender;
mod webhook;

use std::sync::Arc;

use daybook_domain::{Tag, TargetName};
use daybook_propagator_core::readback::Readable;
use daybook_propagator_core::{Action, Answer, Call, Conclusion, Known};
use daybook_runtime::guard::{Guard, SystemLookup};
use daybook_runtime::prometheus::Histogram;
use tokio::time::Instant;

use crate::target::{Protocol, Target};
use caldav::CalDav;
use mirror::Mirror;
use sender::Sender;
use webhook::Webhook;

pub(crate) use sender::{AddressError, SenderError};

/// One attempt, as a target takes it.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub action: &'a Action,
    pub known: &'a Known,
    /// What the booking is called across systems.
    pub tags: &'a [Tag],
    /// Where at the target.
    pub address: &'a str,
    /// Tries at this version before this one.
    pub tries: u32,
    /// No call is begun after this.
    pub deadline: Instant,
    pub traceparent: Option<&'a str>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub conclusion: Conclusion,
    /// The last status that the target answered with.
    pub status: Option<u16>,
}

/// A target's protocol, ready to be spoken.
#[derive(Debug)]
pub(crate) enum Adapter {
    CalDav(CalDav),
    Mirror(Mirror),
    Webhook(Webhook),
}

impl Adapter {
    /// The adapter of a target; `durations` takes the time of each call.
    pub fn new(target: &Target, durations: Histogram) -> Result<Self, SenderError> {
        let name: TargetName = target.name.clone();
        Ok(match &target.protocol {
            Protocol::CalDav { login } => {
                Self::CalDav(CalDav::new(Sender::new(target, None, durations)?, login.clone()))
            }
            Protocol::Api { vendor, credential } => {
                Self::Mirror(Mirror::new(Sender::new(target, None, durations)?, *vendor, credential.clone()))
            }
            Protocol::Webhook { secrets, allow_private } => {
                let guard = (!allow_private).then(|| Guard::new(&name, Arc::new(SystemLookup)));
                Self::Webhook(Webhook::new(Sender::new(target, guard, durations)?, name, secrets.clone()))
            }
        })
    }

    /// Waits until the target's rate allows a call.
    pub async fn turn(&self) {
        match self {
            Self::CalDav(caldav) => caldav.sender().turn().await,
            Self::Mirror(mirror) => mirror.sender().turn().await,
            Self::Webhook(webhook) => webhook.sender().turn().await,
        }
    }

    /// Makes one attempt. The caller has taken its turn, which is the first call's.
    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        match self {
            Self::CalDav(caldav) => caldav.attempt(attempt).await,
            Self::Mirror(mirror) => mirror.attempt(attempt).await,
            Self::Webhook(webhook) => webhook.attempt(attempt).await,
        }
    }

    /// What of it can be read back, if it can.
    pub const fn readable(&self) -> Option<Readable> {
        match self {
            Self::CalDav(_) => Some(Readable::CalDav),
            Self::Mirror(mirror) => Some(Readable::Api(mirror.vendor())),
            Self::Webhook(_) => None,
        }
    }

    /// Asks one thing that changes nothing. The caller has taken its turn.
    pub async fn ask(&self, call: Call, address: &str, deadline: Instant) -> Result<Answer, AddressError> {
        match self {
            Self::CalDav(caldav) => caldav.ask(call, address, deadline).await,
            Self::Mirror(mirror) => mirror.send(call, deadline, None).await,
            // There is nothing to ask of a receiver of messages.
            Self::Webhook(_) => Ok(Answer::NotSent),
        }
    }
}
