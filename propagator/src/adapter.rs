//! The protocols: thin shells around the calls that the core composes and the answers that it judges.

mod api;
mod caldav;
mod calendly;
mod described;
mod hubspot;
mod mirror;
mod sender;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{Tag, TargetName};
use daybook_format::target::Target as Description;
use daybook_propagator_core::readback::Readable;
use daybook_propagator_core::{Action, Answer, BookingView, Call, Conclusion, Fields, Known, plan, plan_cancellation};
use daybook_runtime::guard::{Guard, SystemLookup};
use daybook_runtime::prometheus::Histogram;
use tokio::time::Instant;

use crate::target::{Protocol, Target};
use api::Api;
use caldav::CalDav;
use calendly::Calendly;
use described::Templates;
use hubspot::HubSpot;
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
    /// How long ago something was written of which nobody knows what became.
    pub doubt: Option<Duration>,
    /// Where at the target.
    pub address: &'a str,
    /// What the source of the booking calls it.
    pub name: Option<&'a str>,
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
    /// Whether anything was written, or may have been.
    pub wrote: bool,
}

/// A target's protocol, ready to be spoken.
#[derive(Debug)]
pub(crate) enum Adapter {
    CalDav(CalDav),
    Calendly(Calendly),
    Described(Templates),
    HubSpot(HubSpot),
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
                let api = Api::new(Sender::new(target, None, durations)?, credential.clone());
                Self::Mirror(Mirror::new(api, *vendor))
            }
            Protocol::Described { description, account, credential, .. } => {
                let api = Api::new(Sender::new(target, None, durations)?, credential.clone());
                Self::Described(Templates::new(api, Description::clone(description), account.clone()))
            }
            Protocol::Calendly { credential, source, .. } => {
                let api = Api::new(Sender::new(target, None, durations)?, credential.clone());
                Self::Calendly(Calendly::new(api, source.clone()))
            }
            Protocol::HubSpot { credential } => {
                Self::HubSpot(HubSpot::new(Api::new(Sender::new(target, None, durations)?, credential.clone())))
            }
            Protocol::Webhook { secrets, allow_private } => {
                let guard = (!allow_private).then(|| Guard::new(&name, Arc::new(SystemLookup)));
                Self::Webhook(Webhook::new(Sender::new(target, guard, durations)?, name, secrets.clone()))
            }
        })
    }

    /// What is to be done there for this booking, which came from `source`.
    pub fn plan(&self, booking: &BookingView, source: &str, fields: Fields, known: &Known) -> Action {
        match self {
            Self::Calendly(calendly) => plan_cancellation(booking, calendly.source().as_str() == source, known),
            Self::CalDav(_) | Self::Described(_) | Self::HubSpot(_) | Self::Mirror(_) | Self::Webhook(_) => {
                plan(booking, fields, known)
            }
        }
    }

    /// Waits until the target's rate allows a call.
    pub async fn turn(&self) {
        match self {
            Self::CalDav(caldav) => caldav.sender().turn().await,
            Self::Calendly(calendly) => calendly.sender().turn().await,
            Self::Described(described) => described.sender().turn().await,
            Self::HubSpot(hubspot) => hubspot.sender().turn().await,
            Self::Mirror(mirror) => mirror.sender().turn().await,
            Self::Webhook(webhook) => webhook.sender().turn().await,
        }
    }

    /// Calls off at its source what that has promised and Daybook has refused. The caller has taken its turn.
    pub async fn call_off(&self, name: &str, in_doubt: bool, deadline: Instant) -> Result<Ended, AddressError> {
        match self {
            Self::Calendly(calendly) => calendly.call_off_refused(name, in_doubt, deadline).await,
            // They show bookings, and have none of their own.
            Self::CalDav(_) | Self::Described(_) | Self::HubSpot(_) | Self::Mirror(_) | Self::Webhook(_) => {
                Err(AddressError)
            }
        }
    }

    /// Makes one attempt. The caller has taken its turn, which is the first call's.
    pub async fn attempt(&self, attempt: &Attempt<'_>) -> Result<Ended, AddressError> {
        match self {
            Self::CalDav(caldav) => caldav.attempt(attempt).await,
            Self::Calendly(calendly) => calendly.attempt(attempt).await,
            Self::Described(described) => described.attempt(attempt).await,
            Self::HubSpot(hubspot) => hubspot.attempt(attempt).await,
            Self::Mirror(mirror) => mirror.attempt(attempt).await,
            Self::Webhook(webhook) => webhook.attempt(attempt).await,
        }
    }

    /// What of it can be read back, if it can.
    pub const fn readable(&self) -> Option<Readable> {
        match self {
            Self::CalDav(_) => Some(Readable::CalDav),
            Self::Mirror(mirror) => Some(Readable::Api(mirror.vendor())),
            // Asked for one entry at a time, when it is to be changed.
            Self::Calendly(_) | Self::Described(_) | Self::HubSpot(_) | Self::Webhook(_) => None,
        }
    }

    /// Asks one thing that changes nothing. The caller has taken its turn.
    pub async fn ask(&self, call: Call, address: &str, deadline: Instant) -> Result<Answer, AddressError> {
        match self {
            Self::CalDav(caldav) => caldav.ask(call, address, deadline, None).await,
            Self::Mirror(mirror) => mirror.ask(call, deadline).await,
            // There is nothing to be read back.
            Self::Calendly(_) | Self::Described(_) | Self::HubSpot(_) | Self::Webhook(_) => Ok(Answer::NotSent),
        }
    }
}
