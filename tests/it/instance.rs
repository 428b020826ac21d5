//! The stacks that the tests run on.

use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use daybook_domain::RequestId;
use daybook_stack::{Engine, Service, Stack};
use daybook_tests::calendar::Dialect;
use daybook_tests::desk::{self, Desk, ORGANIZATION};
use daybook_tests::files::Files;
use daybook_tests::privacy::{forbidden, search, search_logs};
use daybook_tests::seed::unique_word;
use daybook_tests::store::DecisionRow;
use daybook_tests::tool;
use daybook_tests::tools::{self, Tools};
use daybook_tests::vendor::{TOKEN, Vendor};
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use tokio::runtime::Runtime;

/// How long anything may take that takes a moment.
pub const SOON: Duration = Duration::from_secs(60);

/// The patience of the services on the stacks that are hurt: as little as each allows, because somebody waits for all of
/// it, twenty times. Their behaviour is the same.
const IMPATIENT: [(Service, &str, &str); 6] = [
    // Kafka's own least.
    (Service::Normalizer, "DAYBOOK__NORMALIZER__SESSION_TIMEOUT", "6s"),
    (Service::Arbiter, "DAYBOOK__ARBITER__SESSION_TIMEOUT", "6s"),
    (Service::Propagator, "DAYBOOK__PROPAGATOR__SESSION_TIMEOUT", "6s"),
    // A call's 8 s and 5 s to record it.
    (Service::Propagator, "DAYBOOK__PROPAGATOR__LEASE", "14s"),
    // The targets are ours.
    (Service::Propagator, "DAYBOOK__TARGETS__CALENDAR__LANE__REQUESTS_PER_SECOND", "500"),
    (Service::Propagator, "DAYBOOK__TARGETS__PARTNER__LANE__REQUESTS_PER_SECOND", "500"),
];

/// The vendors whose calendars are read, for all tests: they live as long as the runtime.
static VENDORS: LazyLock<[(&str, &str, Vendor); 2]> = LazyLock::new(|| {
    let start = |dialect| RUNTIME.block_on(Vendor::start(dialect)).expect("a port for a vendor");
    [("google", "google-calendar", start(Dialect::Google)), ("outlook", "outlook", start(Dialect::Graph))]
});

/// The vendor behind a source.
pub fn vendor(source: &str) -> &'static Vendor {
    let found = VENDORS.iter().find(|(name, _, _)| *name == source);
    &found.expect("a source whose calendars are read").2
}

/// The tools whose bookings are listed, for all tests.
static DESKS: LazyLock<[(&str, Desk); 4]> = LazyLock::new(|| {
    let start = |dialect| RUNTIME.block_on(Desk::start(dialect)).expect("a port for a tool");
    [
        ("acuity", start(desk::Dialect::Acuity)),
        ("calendly", start(desk::Dialect::Calendly)),
        ("crm", start(desk::Dialect::HubSpot)),
        ("site", start(desk::Dialect::CalCom)),
    ]
});

/// The tool behind a source.
pub fn desk(source: &str) -> &'static Desk {
    &DESKS.iter().find(|(name, _)| *name == source).expect("a source whose bookings are listed").1
}

/// The tools that bookings are written to, for all tests: what the target is called, its kind, and the tool.
static TOOLS: LazyLock<[(&str, &str, Tools); 5]> = LazyLock::new(|| {
    let start = |dialect| RUNTIME.block_on(Tools::start(dialect)).expect("a port for a tool");
    [
        ("booker", "acuity", start(tool::Dialect::Acuity)),
        ("calendly", "calendly", start(tool::Dialect::Calendly)),
        ("planner", "cal.com", start(tool::Dialect::CalCom)),
        ("sales", "hubspot", start(tool::Dialect::HubSpot)),
        ("tickets", "zendesk", start(tool::Dialect::Zendesk)),
    ]
});

/// What a resource is called in each.
pub const TOOL_ADDRESSES: [(&str, &str); 4] = [("booker", "7/60"), ("planner", "7"), ("sales", "7"), ("tickets", "7")];

/// The tool behind a target.
pub fn tools(target: &str) -> &'static Tools {
    &TOOLS.iter().find(|(name, _, _)| *name == target).expect("a target that is a tool").2
}

/// How the stacks write to them.
fn written(installation: &str) -> Vec<(Service, String, String)> {
    let settings = |(target, kind, tools): &(&str, &str, Tools)| {
        let mut settings = vec![
            ("KIND", (*kind).to_owned()),
            ("BASE_URL", tools.base(installation)),
            ("TOKEN", tools::TOKEN.to_owned()),
            ("LANE__TIMEOUT", "2s".to_owned()),
            ("LANE__REQUESTS_PER_SECOND", "500".to_owned()),
            // What may have been made is looked for as long as a look may be late: ten seconds.
            ("LANE__SCHEDULE", format!("[{}]", ["\"1s\""; 80].join(","))),
            ("LANE__PAUSE_MIN", "100ms".to_owned()),
            ("LANE__PAUSE_THROTTLED", "200ms".to_owned()),
            ("LANE__PAUSE_UNAUTHORIZED", "300ms".to_owned()),
            ("LANE__BREAKER_PAUSE", "200ms".to_owned()),
            ("LANE__BREAKER_PAUSE_MAX", "1s".to_owned()),
        ];
        if *kind == "calendly" {
            settings.push(("ON_REFUSAL", "cancel".to_owned()));
            settings.push(("CANCELLATIONS_PER_HOUR", "3".to_owned()));
        }
        if matches!(*kind, "acuity" | "cal.com") {
            settings.push(("ACCOUNT", "bookings.example".to_owned()));
        }
        let target = target.to_uppercase();
        let setting = |(key, value)| (Service::Propagator, format!("DAYBOOK__TARGETS__{target}__{key}"), value);
        settings.into_iter().map(setting).collect::<Vec<_>>()
    };
    TOOLS.iter().flat_map(settings).collect()
}

/// The stack that all gentle tests share.
pub const SHARED_NAME: &str = "it-shared";
/// What somebody's consent to it is called.
pub const CONSENT: &str = "a-consent";

/// How the stacks ask them: often, and with little patience.
fn desks(installation: &str) -> Vec<(Service, String, String)> {
    let settings = |(source, desk): &(&str, Desk)| {
        let mut settings = vec![
            ("API__BASE", desk.base()),
            ("API__TIMEOUT", "2s".to_owned()),
            ("API__REQUESTS_PER_SECOND", "200".to_owned()),
            ("POLL__INTERVAL", "400ms".to_owned()),
            ("POLL__FULL_INTERVAL", "3s".to_owned()),
        ];
        match *source {
            // Not where processes are killed: whoever dies with an answer that the store does not have yet takes the consent along.
            "acuity" if installation == SHARED_NAME => settings.extend([
                ("API__CLIENT_ID", "daybook".to_owned()),
                ("API__CLIENT_SECRET", "a-secret-of-an-app".to_owned()),
                ("API__TOKEN_URL", format!("{}/oauth/token", desk.base())),
                ("API__REFRESH_TOKEN", format!("{CONSENT}.0")),
                ("API__TOKEN_KEY", "Kw4a2Sx0bLq3nJv1yTz5cQ7mUe9pRk8oHf6gDi0sBtA=".to_owned()),
            ]),
            _ => settings.push(("API__TOKEN", desk::TOKEN.to_owned())),
        }
        match *source {
            "calendly" => settings.push(("API__ACCOUNT", ORGANIZATION.to_owned())),
            "acuity" => {
                settings.extend([("KIND", "acuity".to_owned()), ("SECRETS", "[\"a-secret-of-acuity\"]".to_owned())]);
            }
            "crm" => settings.extend([
                ("KIND", "hubspot".to_owned()),
                ("SECRETS", "[\"a-secret-of-hubspot\"]".to_owned()),
                ("PUBLIC_URL", "http://127.0.0.1:1/webhooks/crm".to_owned()),
            ]),
            _ => {}
        }
        let source = source.to_uppercase();
        let setting = |(key, value)| (Service::Ingest, format!("DAYBOOK__SOURCES__{source}__{key}"), value);
        settings.into_iter().map(setting).collect::<Vec<_>>()
    };
    DESKS.iter().flat_map(settings).collect()
}

/// The files that are published as calendars, for all tests.
static FILES: LazyLock<Files> = LazyLock::new(|| RUNTIME.block_on(Files::start()).expect("a port for files"));

/// Who publishes them.
pub fn files() -> &'static Files {
    &FILES
}

/// Where Xandikos is, in the test that runs it.
pub static OFFICE_PORT: LazyLock<u16> = LazyLock::new(|| {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a free port").port()
});

/// How calendars that are iCalendar are read.
fn legacy() -> Vec<(Service, String, String)> {
    let often = [
        ("POLL__INTERVAL", "300ms".to_owned()),
        ("POLL__FULL_INTERVAL", "3s".to_owned()),
        ("POLL__BELIEVE_AFTER", "2s".to_owned()),
        // Both changes of the clocks, whatever the day is.
        ("POLL__WINDOW_FUTURE", "400days".to_owned()),
    ];
    let office = [
        ("KIND", "caldav".to_owned()),
        ("API__BASE", format!("http://127.0.0.1:{}", *OFFICE_PORT)),
        ("API__USERNAME", "user".to_owned()),
        ("API__PASSWORD", "nobody asks for it".to_owned()),
    ];
    let feed = [
        ("KIND", "ics-feed".to_owned()),
        ("API__BASE", FILES.base()),
        ("POLL__ALLOW_PRIVATE", "true".to_owned()),
        ("POLL__ZONE", "Europe/Berlin".to_owned()),
    ];
    let of = |source: &str, settings: Vec<(&str, String)>| -> Vec<_> {
        let settings =
            settings.into_iter().chain(often.clone()).chain([("API__REQUESTS_PER_SECOND", "200".to_owned())]);
        settings.map(|(key, value)| (Service::Ingest, format!("DAYBOOK__SOURCES__{source}__{key}"), value)).collect()
    };
    [of("OFFICE", office.into()), of("FEED", feed.into()), of("LEGACY", Vec::new())].concat()
}

/// How the stacks write to the same calendars.
fn mirrors() -> Vec<(Service, String, String)> {
    let settings = |(target, kind, vendor): &(&str, &str, Vendor)| {
        let settings = [
            ("KIND", (*kind).to_owned()),
            ("BASE_URL", vendor.base()),
            ("TOKEN", TOKEN.to_owned()),
            ("LANE__TIMEOUT", "2s".to_owned()),
            ("LANE__REQUESTS_PER_SECOND", "500".to_owned()),
            ("LANE__SCHEDULE", format!("[{}]", ["\"200ms\""; 40].join(","))),
            ("LANE__PAUSE_MIN", "100ms".to_owned()),
            ("LANE__PAUSE_THROTTLED", "200ms".to_owned()),
            ("LANE__PAUSE_UNAUTHORIZED", "300ms".to_owned()),
            ("LANE__BREAKER_PAUSE", "200ms".to_owned()),
            ("LANE__BREAKER_PAUSE_MAX", "1s".to_owned()),
        ];
        let target = target.to_uppercase();
        settings.map(|(key, value)| (Service::Propagator, format!("DAYBOOK__TARGETS__{target}__{key}"), value))
    };
    VENDORS.iter().flat_map(settings).collect()
}

/// How the stacks read calendars: often, and with little patience.
fn calendars(installation: &str) -> Vec<(Service, String, String)> {
    let settings = |(source, kind, vendor): &(&str, &str, Vendor)| {
        let settings = [
            ("KIND", (*kind).to_owned()),
            ("API__BASE", vendor.base()),
            ("API__TOKEN", TOKEN.to_owned()),
            ("API__TIMEOUT", "2s".to_owned()),
            ("API__REQUESTS_PER_SECOND", "200".to_owned()),
            ("SECRETS", "[\"a-secret-of-channels\"]".to_owned()),
            ("PUBLIC_URL", format!("http://127.0.0.1:1/{installation}/webhooks/{source}")),
            ("POLL__INTERVAL", "300ms".to_owned()),
            ("POLL__FULL_INTERVAL", "3s".to_owned()),
            ("POLL__BELIEVE_AFTER", "2s".to_owned()),
        ];
        let source = source.to_uppercase();
        settings.map(|(key, value)| (Service::Ingest, format!("DAYBOOK__SOURCES__{source}__{key}"), value))
    };
    VENDORS
        .iter()
        .flat_map(settings)
        .chain(legacy())
        .chain(mirrors())
        .chain(written(installation))
        .chain(desks(installation))
        .collect()
}

/// One runtime for all tests: their clients outlive each of them.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime starts"));

/// A stack of the tests' own, with clients.
pub struct Instance {
    /// The processes.
    pub stack: Stack,
    /// The clients.
    pub world: World,
}

impl Instance {
    fn start(name: &str, settings: &[(Service, &str, &str)]) -> Result<Self> {
        let builder = Stack::builder().instance(name).engine(Engine::Native).ephemeral().quiet(true);
        let builder =
            calendars(name).into_iter().fold(builder, |builder, (part, key, value)| builder.env(part, key, value));
        let builder = settings.iter().fold(builder, |builder, (part, key, value)| builder.env(*part, *key, *value));
        let stack = builder.up().with_context(|| format!("the stack {name} did not come up"))?;
        // Pools start tasks of their own.
        let _within = RUNTIME.enter();
        let world = World::new(stack.endpoints())?;
        for (_, _, vendor) in VENDORS.iter() {
            vendor.door(name, &world.endpoints.ingest_url);
        }
        Ok(Self { stack, world })
    }

    /// A name that no other test has.
    pub fn name(&self, of: &str) -> String {
        format!("{of}-{}", unique_word())
    }

    /// Waits until all of these requests are decided; their decisions.
    pub async fn decided(&self, requests: &[RequestId]) -> Result<Vec<DecisionRow>> {
        wait_until("the decisions", SOON, async || {
            let rows = self.world.store.decisions_of(requests).await?;
            not_yet(rows.len() >= requests.len(), || format!("{} of {} are made", rows.len(), requests.len()))?;
            Ok(rows)
        })
        .await
    }

    /// Waits until no delivery of this resource is on its way.
    pub async fn delivered(&self, resource: &str) -> Result<()> {
        wait_until("the targets to hear of it", SOON, async || {
            let waiting = self.world.store.undelivered(Some(resource)).await?;
            not_yet(waiting == 0, || format!("{waiting} deliveries are on their way"))
        })
        .await
    }

    /// How the log of a service ends: why it is gone, if it is.
    fn last_words(&self, service: &str) -> String {
        let log = std::fs::read_to_string(self.stack.log_dir().join(format!("{service}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let telling = |line: &&&str| !line.contains("\"level\":\"INFO\"");
        let last = lines.iter().filter(telling).rev().take(12).chain(lines.iter().rev().take(6));
        last.map(|line| format!("  {line}\n")).collect()
    }

    /// Nobody's data is in a log or a metric, and no process of ours has panicked.
    async fn keeps_to_itself(&self) -> Result<()> {
        let list = forbidden(&self.world.endpoints);
        let (_, mut found) = search_logs(&self.stack.log_dir(), &list)?;
        for (service, text) in self.world.metrics().await {
            let text = text.with_context(|| {
                format!("the metrics of {service}, whose log ends so:\n{}", self.last_words(service))
            })?;
            ensure!(text.contains("daybook_"), "the metrics of {service} are empty");
            found.extend(search(&format!("{service}/metrics"), &text, &list));
        }
        let panics =
            [daybook_tests::privacy::Forbidden { what: "a panic", text: "panicked at".to_owned(), except: &[] }];
        found.extend(search_logs(&self.stack.log_dir(), &panics)?.1);
        ensure!(found.is_empty(), "{} findings in logs and metrics:\n  {}", found.len(), found.join("\n  "));
        Ok(())
    }
}

/// Whether there is time for longer campaigns (`make soak`).
pub fn soak() -> bool {
    std::env::var_os("DAYBOOK_SOAK").is_some_and(|value| !value.is_empty())
}

/// Says what a test has measured, whether or not anybody captures its output.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs a test on the stack that all gentle tests share.
pub fn shared(test: impl AsyncFnOnce(&Instance) -> Result<()>) -> Result<()> {
    static SHARED: LazyLock<Result<Instance, String>> =
        LazyLock::new(|| Instance::start(SHARED_NAME, &[]).map_err(|error| format!("{error:#}")));
    let instance = match &*SHARED {
        Ok(instance) => instance,
        Err(why) => bail!("{why}"),
    };
    RUNTIME.block_on(async {
        test(instance).await?;
        instance.keeps_to_itself().await
    })
}

/// The stacks that are hurt. Two, because most of what happens there is waiting.
#[derive(Debug, Clone, Copy)]
pub enum Rough {
    /// For what is done to our own processes.
    Services,
    /// For what is done to the servers.
    Servers,
}

impl Rough {
    /// What the stack is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Services => "it-services",
            Self::Servers => "it-servers",
        }
    }
}

/// Runs a test that hurts a stack, after the one before has healed it. A stack that it leaves in ruins is replaced.
pub fn rough(stack: Rough, test: impl AsyncFnOnce(&Instance) -> Result<()>) -> Result<()> {
    static SERVICES: Mutex<Option<Instance>> = Mutex::new(None);
    static SERVERS: Mutex<Option<Instance>> = Mutex::new(None);
    let turn = match stack {
        Rough::Services => &SERVICES,
        Rough::Servers => &SERVERS,
    };
    let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out, so that whatever goes wrong brings it down.
    let instance = match turn.take() {
        Some(instance) => instance,
        None => Instance::start(stack.name(), &IMPATIENT)?,
    };
    let began = Instant::now();
    RUNTIME.block_on(async {
        test(&instance).await?;
        instance.keeps_to_itself().await
    })?;
    note(&format!("{} took {:.0} s", thread::current().name().unwrap_or("it"), began.elapsed().as_secs_f64()));
    *turn = Some(instance);
    Ok(())
}
