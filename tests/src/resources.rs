//! Resources for a test: their file, and `daybook resources apply`.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::calendly::Host;
use crate::people::{calendar_mark, mark};
use crate::world::World;

/// A resource to load.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// Its display zone.
    pub time_zone: String,
    /// How many it takes at once.
    pub capacity: u32,
    /// How long a slot waits for its replacement (`15m`); the default without it.
    pub replacement_wait: Option<String>,
    /// What Calendly calls it.
    pub host: Host,
    /// What the generic source calls it.
    pub alias: String,
    /// What those sources call it that have numbers.
    pub number: u64,
    /// Its calendar, if that is read: the source, and what it is called there.
    pub read: Option<(&'static str, String)>,
    /// The path of its calendar, if it is mirrored in one.
    pub calendar: Option<String>,
    /// Its calendars at vendors, if it is mirrored there: the target, and what the calendar is called.
    pub mirrors: Vec<(&'static str, String)>,
    /// Whether the partner hears of it.
    pub partner: bool,
    /// Whether the targets may see titles and attendees, or busy time only.
    pub open: bool,
}

impl Resource {
    /// A resource with a calendar and a partner, both of which may see everything.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            time_zone: "Europe/Berlin".to_owned(),
            capacity: 1,
            replacement_wait: None,
            host: Host::invent(),
            alias: format!("{id} {}", mark()),
            // Of another run than any other on the same stack.
            number: 1_000_000_000 + u64::from(rand::random::<u32>()),
            read: None,
            calendar: Some(format!("/daybook/{}-{id}/", calendar_mark())),
            mirrors: Vec::new(),
            partner: true,
            open: true,
            id,
        }
    }

    /// The same, mirrored nowhere: for tests about decisions.
    pub fn unseen(id: impl Into<String>) -> Self {
        Self { calendar: None, partner: false, ..Self::new(id) }
    }

    /// The same, with a calendar at `source` that is read.
    pub fn observed(id: impl Into<String>, source: &'static str) -> Self {
        let id = id.into();
        Self { read: Some((source, format!("{id}.{}@office.example", mark()))), ..Self::unseen(id) }
    }

    fn yaml(&self, text: &mut String) {
        // JSON's quoting is also YAML's.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let fields = if self.open { "[title, attendees]" } else { "[]" };
        let mut line = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        line(format!("  - id: {}", self.id));
        line(format!("    time_zone: {}", quoted(&self.time_zone)));
        if self.capacity > 1 {
            line(format!("    capacity: {}", self.capacity));
        }
        if let Some(wait) = &self.replacement_wait {
            line(format!("    replacement_wait: {wait}"));
        }
        line("    aliases:".to_owned());
        line(format!("      calendly: [{}, {}]", quoted(&self.host.uri), quoted(&self.host.email)));
        line(format!("      generic: [{}]", quoted(&self.alias)));
        line(format!("      site: [{}]", quoted(&self.host.email)));
        line(format!("      acuity: [\"{}\"]", self.number));
        line(format!("      crm: [\"{}\"]", self.number));
        if let Some((source, calendar)) = &self.read {
            line(format!("      {source}: [{}]", quoted(calendar)));
        }
        if self.calendar.is_none() && self.mirrors.is_empty() && !self.partner {
            return;
        }
        line("    targets:".to_owned());
        if let Some(path) = &self.calendar {
            line(format!("      calendar: {{ address: {}, fields: {fields} }}", quoted(path)));
        }
        for (target, calendar) in &self.mirrors {
            line(format!("      {target}: {{ address: {}, fields: {fields} }}", quoted(calendar)));
        }
        if self.partner {
            line(format!("      partner: {{ fields: {fields} }}"));
        }
    }
}

/// The file that describes them.
pub fn yaml(resources: &[Resource]) -> String {
    let mut text = "resources:\n".to_owned();
    for resource in resources {
        resource.yaml(&mut text);
    }
    text
}

impl World {
    /// Makes the resources' calendars, and loads them with the command line.
    pub async fn load(&self, resources: &[Resource]) -> Result<()> {
        for path in resources.iter().filter_map(|resource| resource.calendar.as_deref()) {
            self.calendars.make(path).await?;
        }
        let ran = self.daybook(&["resources", "apply", "-f", "-"], &yaml(resources)).await?;
        ensure!(ran.success, "daybook resources apply failed:\n{}", ran.everything());
        Ok(())
    }
}
