//! A resource as callers see it and send it: the words of `resources.yaml`.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{ResourceId, Rules};
use daybook_resources::{Mirror, Stored, describe, stretches};
use serde::Serialize;
use utoipa::ToSchema;

/// A resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resource)]
pub struct ResourceView {
    /// Its id.
    #[schema(example = "room-7")]
    id: String,
    /// The IANA zone in which people see its times, and in which its hours are.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// How long a cancellation keeps its slot for an announced replacement.
    #[schema(example = "15m")]
    replacement_wait: String,
    /// How many bookings may have the same time.
    capacity: u16,
    /// Kept free before each booking.
    #[schema(example = "0s")]
    buffer_before: String,
    /// Kept free after each booking.
    #[schema(example = "10m")]
    buffer_after: String,
    /// How long before its start a booking must be asked for.
    #[schema(example = "2h")]
    notice: String,
    /// How long before its start it may be asked for at most; null for no limit.
    #[schema(example = "60d")]
    window: Option<String>,
    /// When bookings may be, by days, in `time_zone`; null for always.
    #[schema(example = json!({"mon-thu": ["08:00-12:00", "13:00-18:00"], "fri": ["08:00-12:00"]}))]
    hours: Option<BTreeMap<String, Vec<String>>>,
    /// The country (ISO 3166-1 alpha-2) as whose an attendee's phone number is read that says none; null if it is left as it is.
    #[schema(example = "DE")]
    region: Option<String>,
    /// What each source calls it. Only for keys that may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!({"generic": ["Room 7"]}))]
    aliases: Option<BTreeMap<String, Vec<String>>>,
    /// Which systems mirror it. Only for keys that may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<BTreeMap<String, TargetView>>,
}

/// How a target mirrors a resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResourceTarget)]
pub struct TargetView {
    /// Where at the target: a calendar's path; nothing where the target needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/daybook/room-7/")]
    address: Option<String>,
    /// What it may receive beyond busy time: `title`, `attendees`.
    #[schema(example = json!(["title"]))]
    fields: Vec<String>,
}

/// What a `PUT` says. It is read by the same code as `resources.yaml`; this is its description.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description; daybook_resources::read_one reads it")]
pub struct ResourceBody {
    /// The id in the address, or nothing.
    #[schema(example = "room-7", required = false)]
    id: Option<String>,
    /// The IANA zone in which people see its times, and in which its hours are.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// How long a cancellation keeps its slot for an announced replacement: 1s to 24h; 15m if left out.
    #[schema(example = "15m", required = false)]
    replacement_wait: Option<String>,
    /// How many bookings may have the same time; 1 if left out.
    #[schema(minimum = 1, maximum = 1000, example = 1, required = false)]
    capacity: Option<u16>,
    /// Kept free before each booking, up to 24h; none if left out.
    #[schema(example = "5m", required = false)]
    buffer_before: Option<String>,
    /// Kept free after each booking, up to 24h; none if left out.
    #[schema(example = "10m", required = false)]
    buffer_after: Option<String>,
    /// How long before its start a booking must be asked for, up to 3660d; none if left out.
    #[schema(example = "2h", required = false)]
    notice: Option<String>,
    /// How long before its start it may be asked for at most, up to 3660d and longer than `notice`; no limit if left out.
    #[schema(example = "60d", required = false)]
    window: Option<String>,
    /// When bookings may be, in `time_zone`: stretches by day or range of days; always if left out.
    #[schema(example = json!({"mon-thu": ["08:00-12:00", "13:00-18:00"], "fri": ["08:00-12:00"]}), required = false)]
    hours: Option<BTreeMap<String, Vec<String>>>,
    /// The country (ISO 3166-1 alpha-2) as whose an attendee's phone number is read that says none, to be kept by E.164; left as it
    /// is if left out.
    #[schema(example = "DE", required = false)]
    region: Option<String>,
    /// What each source calls it: by the source's name, its calendars, users or owners. E-mail addresses in any case.
    #[schema(example = json!({"generic": ["Room 7"]}), required = false)]
    aliases: Option<BTreeMap<String, Vec<String>>>,
    /// Which systems mirror it, by the names that the propagator's settings have.
    #[schema(required = false)]
    targets: Option<BTreeMap<String, TargetBody>>,
}

/// How a target is to mirror a resource.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a description; daybook_resources::read_one reads it")]
pub struct TargetBody {
    /// Where at the target: a calendar's path.
    #[schema(example = "/daybook/room-7/", required = false)]
    address: Option<String>,
    /// What it may receive beyond busy time: `title`, `attendees`.
    #[schema(example = json!(["title"]), required = false)]
    fields: Option<Vec<String>>,
}

impl ResourceView {
    /// The resource, with what only readers see if `readable`.
    pub fn of(id: &ResourceId, stored: &Stored, readable: bool) -> Self {
        // Taken apart, so that a rule which comes later cannot be forgotten here. A retired resource is not shown.
        let Rules {
            display_time_zone,
            replacement_wait,
            capacity,
            buffer_before,
            buffer_after,
            notice,
            window,
            hours,
            retired: _,
        } = &stored.rules;
        let hours: BTreeMap<String, Vec<String>> = stretches(hours).into_iter().collect();
        Self {
            id: id.to_string(),
            time_zone: display_time_zone.clone(),
            replacement_wait: span(*replacement_wait),
            capacity: *capacity,
            buffer_before: span(*buffer_before),
            buffer_after: span(*buffer_after),
            notice: span(*notice),
            window: window.map(span),
            hours: (!hours.is_empty()).then_some(hours),
            region: stored.region.clone(),
            aliases: readable.then(|| aliases(stored)),
            targets: readable
                .then(|| stored.targets.iter().map(|(name, mirror)| (name.clone(), target(mirror))).collect()),
        }
    }
}

fn aliases(stored: &Stored) -> BTreeMap<String, Vec<String>> {
    let mut by_source = BTreeMap::<String, Vec<String>>::new();
    for (source, alias) in &stored.aliases {
        by_source.entry(source.clone()).or_default().push(alias.clone());
    }
    by_source
}

fn target(mirror: &Mirror) -> TargetView {
    let address = Some(mirror.address.clone()).filter(|address| !address.is_empty());
    TargetView { address, fields: mirror.fields.iter().cloned().collect() }
}

/// As a `PUT` takes it back.
fn span(span: Duration) -> String {
    if span.is_zero() { "0s".to_owned() } else { describe::span(span) }
}

#[cfg(test)]
mod tests {
    use daybook_resources::{Definition, read_one};

    use super::*;

    #[test]
    fn what_is_shown_can_be_put_and_changes_nothing() {
        let id: ResourceId = "room-7".parse().expect("an id");
        let bodies = [
            r#"{"time_zone": "UTC"}"#,
            r#"{"time_zone": "Europe/Berlin", "replacement_wait": "90s", "capacity": 12, "buffer_before": "1h 30m",
                "buffer_after": "7ms", "notice": "2h", "window": "60d",
                "hours": {"mon-thu": ["09:00-12:00", "13:00-24:00"], "sat": "10:00-12:00"}, "region": "DE",
                "aliases": {"generic": ["Room 7", "r7"], "calendly": ["Room7@Example.com"]},
                "targets": {"partner": null, "calendar": {"address": "/r7/", "fields": ["title", "attendees"]}}}"#,
        ];
        for body in bodies {
            let definition = read_one(&id, body.as_bytes()).expect("sound");
            let aliases = definition.aliases.keys().map(|(source, alias)| (source.to_string(), alias.clone()));
            let stored = Stored {
                version: 7,
                rules: definition.rules.clone(),
                region: definition.region.map(|region| region.to_string()),
                aliases: aliases.collect(),
                targets: definition.targets.iter().map(|(name, mirror)| (name.to_string(), mirror.clone())).collect(),
            };
            let shown = serde_json::to_string(&ResourceView::of(&id, &stored, true)).expect("JSON");
            let again = read_one(&id, shown.as_bytes()).expect("sound");
            let but_aliases = |it: &Definition| (it.rules.clone(), it.region, it.targets.clone());
            assert_eq!(but_aliases(&again), but_aliases(&definition), "{shown}");
            assert!(again.aliases.keys().eq(definition.aliases.keys()), "{shown}");
        }
    }

    #[test]
    fn what_sources_call_it_is_for_readers_only() {
        let id: ResourceId = "room-7".parse().expect("an id");
        let stored = Stored {
            version: 1,
            rules: Rules::new("UTC".to_owned()),
            region: None,
            aliases: [("calendly".to_owned(), "jane@example.com".to_owned())].into(),
            targets: BTreeMap::new(),
        };
        let shown = serde_json::to_value(ResourceView::of(&id, &stored, false)).expect("JSON");
        assert!(shown.get("aliases").is_none() && shown.get("targets").is_none());
    }
}
