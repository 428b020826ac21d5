//! Channels: how a vendor is asked to say when something has changed in a calendar.

use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_format::ESCAPED;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::ping::{PingSecret, client_state, proof};

/// A call that changes something at the vendor: a channel, and nothing else of ours does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub method: &'static str,
    /// The path and query.
    pub path: String,
    /// The body, if there is one.
    pub body: Option<Value>,
}

/// A channel that is to be.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Of which calendar.
    pub calendar: &'a str,
    /// Its id, of our making.
    pub channel: &'a str,
    /// By what it is known as ours.
    pub secret: &'a PingSecret,
    /// Where pings go.
    pub address: &'a str,
    /// Until when.
    pub until: Timestamp,
}

/// A channel that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What the vendor calls it.
    pub id: String,
    /// What else it wants to hear when it is closed.
    pub resource: Option<String>,
    /// Until when it says that it lives.
    pub until: Timestamp,
}

/// A vendor that can say when something has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinger {
    /// Google Calendar.
    Google,
    /// Outlook, through Microsoft Graph.
    Graph,
}

impl Pinger {
    /// For how long a channel is asked for: what the vendor grants at most, or a little less.
    pub const fn channel_life(self) -> Duration {
        match self {
            Self::Google => Duration::from_secs(7 * 24 * 60 * 60),
            // 10,080 minutes at most.
            Self::Graph => Duration::from_secs(6 * 24 * 60 * 60),
        }
    }

    /// Asks for a channel.
    pub fn open(self, opening: &Opening<'_>) -> Call {
        let Opening { calendar, channel, secret, address, until } = *opening;
        match self {
            Self::Google => Call {
                method: "POST",
                path: format!("/calendar/v3/calendars/{}/events/watch", utf8_percent_encode(calendar, ESCAPED)),
                body: Some(json!({
                    "id": channel, "type": "web_hook", "address": address, "token": proof(secret, channel),
                    "expiration": until.millis().to_string(),
                })),
            },
            Self::Graph => Call {
                method: "POST",
                path: "/v1.0/subscriptions".to_owned(),
                body: Some(json!({
                    "changeType": "created,updated,deleted", "notificationUrl": address,
                    "lifecycleNotificationUrl": address, "resource": format!("users/{calendar}/events"),
                    "expirationDateTime": until.to_string(), "clientState": client_state(secret, channel),
                })),
            },
        }
    }

    /// The channel that an answer grants; none, if it grants none. `channel` is what was asked for.
    pub fn opened(self, channel: &str, status: u16, body: &[u8]) -> Option<Channel> {
        if !(200..=299).contains(&status) {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        match self {
            Self::Google => Some(Channel {
                id: text("id").filter(|id| *id == channel)?.to_owned(),
                resource: Some(text("resourceId")?.to_owned()),
                until: Timestamp::from_millis(text("expiration")?.parse().ok()?).ok()?,
            }),
            Self::Graph => Some(Channel {
                id: text("id").filter(|id| !id.is_empty() && id.len() <= 128)?.to_owned(),
                resource: None,
                until: text("expirationDateTime")?.parse().ok()?,
            }),
        }
    }

    /// Ends a channel. Whether it is heard matters little: a channel of ours that goes on says nothing wrong.
    pub fn close(self, channel: &Channel) -> Call {
        match self {
            Self::Google => Call {
                method: "POST",
                path: "/calendar/v3/channels/stop".to_owned(),
                body: Some(json!({ "id": channel.id, "resourceId": channel.resource })),
            },
            Self::Graph => Call {
                method: "DELETE",
                path: format!("/v1.0/subscriptions/{}", utf8_percent_encode(&channel.id, ESCAPED)),
                body: None,
            },
        }
    }
}

/// Whether a calendar should have another channel: it has none, or a third of its life or less is left.
pub fn is_due(opened: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    until.since(now) <= until.since(opened) / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn opening<'a>(secret: &'a PingSecret, calendar: &'a str) -> Opening<'a> {
        Opening {
            calendar,
            channel: "c-1",
            secret,
            address: "https://d.example/webhooks/x",
            until: at("2026-03-08T00:00:00Z"),
        }
    }

    #[test]
    fn a_channel_of_googles_is_opened_with_its_proof_and_closed_with_its_resource() {
        let secret: PingSecret = "a-secret-of-16-bytes".parse().expect("a secret");
        let call = Pinger::Google.open(&opening(&secret, "anna@example.com"));
        assert_eq!(call.path, "/calendar/v3/calendars/anna%40example.com/events/watch");
        let body = call.body.expect("a body");
        assert_eq!((&body["token"], &body["expiration"]), (&json!(proof(&secret, "c-1")), &json!("1772928000000")));
        let answer = br#"{"kind": "api#channel", "id": "c-1", "resourceId": "r-1", "expiration": "1772928000000"}"#;
        let channel = Pinger::Google.opened("c-1", 200, answer).expect("granted");
        assert_eq!(channel.until, at("2026-03-08T00:00:00Z"));
        assert_eq!(Pinger::Google.close(&channel).body, Some(json!({"id": "c-1", "resourceId": "r-1"})));
        assert_eq!(Pinger::Google.opened("another", 200, answer), None);
        assert_eq!(Pinger::Google.opened("c-1", 403, answer), None);
        assert_eq!(Pinger::Google.opened("c-1", 200, b"{}"), None);
    }

    #[test]
    fn a_subscription_of_microsofts_has_the_id_that_it_gives() {
        let secret: PingSecret = "a-secret-of-16-bytes".parse().expect("a secret");
        let body = Pinger::Graph.open(&opening(&secret, "anna@example.com")).body.expect("a body");
        assert_eq!(body["resource"], "users/anna@example.com/events");
        assert_eq!(body["clientState"], client_state(&secret, "c-1"));
        assert_eq!(body["lifecycleNotificationUrl"], body["notificationUrl"]);
        let answer = br#"{"id": "7f10", "expirationDateTime": "2026-03-07T00:00:00.0000000Z"}"#;
        let channel = Pinger::Graph.opened("c-1", 201, answer).expect("granted");
        assert_eq!((channel.id.as_str(), channel.until), ("7f10", at("2026-03-07T00:00:00Z")));
        let close = Pinger::Graph.close(&channel);
        assert_eq!((close.method, close.path.as_str()), ("DELETE", "/v1.0/subscriptions/7f10"));
    }

    #[test]
    fn a_channel_is_followed_by_another_before_it_ends() {
        let (opened, until) = (at("2026-03-01T00:00:00Z"), at("2026-03-07T00:00:00Z"));
        assert!(!is_due(opened, until, at("2026-03-04T00:00:00Z")));
        assert!(is_due(opened, until, at("2026-03-05T00:00:00Z")));
        assert!(is_due(opened, until, at("2026-03-09T00:00:00Z")));
        assert!(is_due(Timestamp::EPOCH, Timestamp::EPOCH, at("2026-03-01T00:00:00Z")));
    }
}
