//! A booking as the API shows it.

use daybook_domain::{Attendee, BookingKind, Elsewhere, Sight, Standing};
use serde::Serialize;
use utoipa::ToSchema;

use super::page::Shown;
use crate::api::Caller;
use crate::api::times::Span;

/// A booking. What only those see who may read its resource is absent for others. Personal data: no `Debug`.
#[derive(Serialize, ToSchema)]
#[schema(as = Booking, description = "A booking. From `unit` on, it is shown only to keys that may read its resource.")]
pub struct BookingView {
    /// Its id, for life.
    #[schema(format = "uuid")]
    booking_id: String,
    /// Whose time.
    #[schema(example = "room-7")]
    resource: String,
    /// `busy` is time that was only seen to be taken elsewhere.
    kind: Kind,
    /// `held` until `held_until`, unless it is confirmed; `awaiting` a replacement until `awaiting_until`.
    status: StatusWord,
    /// RFC 3339, UTC; null for a cancellation of what nobody had heard of.
    #[schema(format = DateTime)]
    start: Option<String>,
    /// RFC 3339, UTC, not included.
    #[schema(format = DateTime)]
    end: Option<String>,
    /// Where people see the resource's times.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Rises with every change that people could see; `expected_version` of a request goes by it.
    version: u64,
    /// When the hold is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, nullable = false)]
    held_until: Option<String>,
    /// When the wait for its replacement is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, nullable = false)]
    awaiting_until: Option<String>,
    /// Which of the resource's units it has, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    unit: Option<u16>,
    /// The source that speaks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "calendly", required = false, nullable = false)]
    source: Option<String>,
    /// What that source has called it, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    source_ids: Option<Vec<String>>,
    /// What it is called; absent where it is called nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    title: Option<String>,
    /// Who attends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    attendees: Option<Vec<AttendeeView>>,
    /// The zone that its source gave with the times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    source_time_zone: Option<String>,
    /// The same appointment as other systems show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    shown_by: Option<Vec<ShownBy>>,
    /// The booking on another resource that it replaced; absent where the key may not read that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    moved_from: Option<ElsewhereView>,
    /// The booking on another resource that replaced it; absent where the key may not read that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    moved_to: Option<ElsewhereView>,
    /// When its source says that the last change happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, nullable = false)]
    sourced_at: Option<String>,
    /// When that change came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, nullable = false)]
    received_at: Option<String>,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, required = false, nullable = false)]
    decided_at: Option<String>,
}

/// What occupies the time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BookingKind)]
pub enum Kind {
    Booking,
    Busy,
}

/// Where a booking stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BookingStatus)]
pub enum StatusWord {
    Held,
    Confirmed,
    Awaiting,
    Cancelled,
}

/// Somebody who attends.
#[derive(Serialize, ToSchema)]
#[schema(as = AttendeeShown)]
struct AttendeeView {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// Another system that shows the same appointment.
#[derive(Debug, Serialize, ToSchema)]
struct ShownBy {
    /// Which.
    source: String,
    /// `along` with the booking, `away` from it (that time is blocked too), or `gone`.
    sight: SightWord,
    /// Where, if it is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    at: Option<Span>,
}

/// Where another system shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Sight)]
enum SightWord {
    Along,
    Away,
    Gone,
}

/// A booking on another resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingElsewhere)]
struct ElsewhereView {
    /// The resource.
    resource: String,
    /// The booking there.
    #[schema(format = "uuid")]
    booking_id: String,
}

impl BookingView {
    /// All of it, for a caller who may read its resource.
    pub fn full(shown: &Shown, caller: &Caller) -> Self {
        let row = &shown.row;
        let elsewhere = |other: &Option<Elsewhere>| {
            let other = other.as_ref().filter(|other| caller.may_read(&other.resource))?;
            Some(ElsewhereView { resource: other.resource.to_string(), booking_id: other.booking_id.to_string() })
        };
        let shown_by = row.state.shadows.iter().map(|shadow| {
            let (sight, at) = match shadow.sight {
                Sight::Along => (SightWord::Along, None),
                Sight::Away(interval) => (SightWord::Away, Some(interval.into())),
                Sight::Gone => (SightWord::Gone, None),
            };
            ShownBy { source: shadow.source.to_string(), sight, at }
        });
        Self {
            unit: Some(row.state.unit),
            source: Some(row.state.source.to_string()),
            source_ids: Some(row.source_ids.clone()),
            title: row.title.clone(),
            attendees: Some(row.attendees.iter().map(AttendeeView::from).collect()),
            source_time_zone: row.source_time_zone.clone(),
            shown_by: Some(shown_by.collect()),
            moved_from: elsewhere(&row.state.moved_from),
            moved_to: elsewhere(&row.state.moved_to),
            sourced_at: row.sourced_at.map(|at| at.to_string()),
            received_at: Some(row.received_at.to_string()),
            decided_at: Some(row.decided_at.to_string()),
            ..Self::bare(shown)
        }
    }

    /// Where it stands, and nothing of people.
    pub fn bare(shown: &Shown) -> Self {
        let Shown { row, time_zone } = shown;
        let state = &row.state;
        let interval = state.standing.interval();
        let (status, held_until, awaiting_until) = match state.standing {
            Standing::Held { until, .. } => (StatusWord::Held, Some(until), None),
            Standing::Confirmed(_) => (StatusWord::Confirmed, None, None),
            Standing::Awaiting { until, .. } => (StatusWord::Awaiting, None, Some(until)),
            Standing::Cancelled { .. } => (StatusWord::Cancelled, None, None),
        };
        Self {
            booking_id: state.booking_id.to_string(),
            resource: row.resource.to_string(),
            kind: match state.kind {
                BookingKind::Booking => Kind::Booking,
                BookingKind::Busy => Kind::Busy,
            },
            status,
            start: interval.map(|interval| interval.start().to_string()),
            end: interval.map(|interval| interval.end().to_string()),
            time_zone: time_zone.clone(),
            version: state.version,
            held_until: held_until.map(|at| at.to_string()),
            awaiting_until: awaiting_until.map(|at| at.to_string()),
            unit: None,
            source: None,
            source_ids: None,
            title: None,
            attendees: None,
            source_time_zone: None,
            shown_by: None,
            moved_from: None,
            moved_to: None,
            sourced_at: None,
            received_at: None,
            decided_at: None,
        }
    }
}

impl From<&Attendee> for AttendeeView {
    fn from(attendee: &Attendee) -> Self {
        Self { name: attendee.name.clone(), email: attendee.email.clone(), phone: attendee.phone.clone() }
    }
}
