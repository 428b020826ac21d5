//! How long a caller of the API waits for its 201, from the request sent to the answer read, against the floor of its hops;
//! and what a caller who waits costs in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_stack::Service;
use daybook_tests::api::Program;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::floor::Floor;
use crate::installation::{Installation, RESOURCES};
use crate::report::{Report, Row, Unit, median, percentile};

/// How long callers come, in each turn.
const SPAN: Duration = Duration::from_secs(6);
/// How long after the first one they count: by then connections are open and plans are made.
const SETTLING: Duration = Duration::from_secs(1);
/// Callers without an answer at any moment, where the most is wanted.
const AT_ONCE: usize = 256;
/// Callers who wait while their memory is taken.
const WAITING: usize = 1_000;
/// Whose time they ask for, each for slots of its own.
const SLOT_MINUTES: usize = 30;

/// Measures it.
pub fn measure(report: &mut Report, turns: usize) -> Result<()> {
    let mut installation = Installation::whole()?;
    // The floor writes the rows again that decisions have written.
    installation.warm_up()?;
    let floor = Floor::prepare(&mut installation)?;
    let callers = Callers::new(&installation.world)?;
    installation.runtime.block_on(callers.fast())?;
    let (mut most, mut floors) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        most.push(installation.runtime.block_on(callers.fast())?);
        floors.push(floor.chain(&installation, turn)?);
    }
    let row = Row::new("requests answered 201 by the API, 256 callers at once", "", Unit::PerSecond, "");
    report.alone(&row, &most);
    for rate in [50.0, 500.0, median(&most) / 2.0] {
        let waits: Result<Vec<Vec<f64>>> =
            (0..turns).map(|_| installation.runtime.block_on(callers.steadily(rate))).collect();
        let waits = waits?;
        for (point, at) in [("p50", 0.5), ("p99", 0.99)] {
            let of = |waits: &[Vec<f64>]| waits.iter().map(|waits| percentile(waits, at)).collect::<Vec<_>>();
            let what = format!("request to 201 at {rate:.0}/s, {point}");
            let against = format!("floor of its hops: three topics and one commit; one at a time, {point}");
            report.pair(&Row::new(&what, &against, Unit::Milliseconds, ""), &of(&waits), &of(&floors));
        }
    }
    let bytes = waiting(&installation, &callers)?;
    report.alone(&Row::new("memory for each caller who waits", "", Unit::Kilobytes, ""), &[bytes / 1_024.0]);
    Ok(())
}

/// Callers over kept-alive connections, each with a slot that nobody else has.
#[derive(Debug, Clone)]
struct Callers {
    program: Program,
    next: Arc<AtomicUsize>,
}

impl Callers {
    fn new(world: &World) -> Result<Self> {
        let http = reqwest::Client::builder().pool_max_idle_per_host(2 * WAITING).build()?;
        Ok(Self { program: world.administrator().over(http), next: Arc::default() })
    }

    fn body(&self) -> (String, Value) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (resource, slot) = (number % RESOURCES, number / RESOURCES);
        let begins = chrono::DateTime::from_timestamp(1_924_992_000, 0).unwrap_or_default()
            + chrono::TimeDelta::minutes(i64::try_from(slot * SLOT_MINUTES).unwrap_or_default());
        let ends = begins + chrono::TimeDelta::minutes(i64::try_from(SLOT_MINUTES).unwrap_or_default());
        let body = json!({
            "operation": "book", "resource": format!("bench-{resource}"),
            "start": begins.to_rfc3339(), "end": ends.to_rfc3339(),
            "title": "First consultation", "attendees": [{"name": "A. Person", "email": "person@example.com"}],
        });
        (format!("bench-{number}-{}", std::process::id()), body)
    }

    /// Asks, and reads the whole answer. How long that took, in milliseconds.
    async fn ask(&self) -> Result<f64> {
        let (key, body) = self.body();
        let request = self.program.request(Method::POST, "/v1/requests").header("idempotency-key", key).json(&body);
        let began = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status == 201, "answered {status}: {text}");
        Ok(began.elapsed().as_secs_f64() * 1_000.0)
    }

    /// Answers per second when callers come as fast as they are answered.
    async fn fast(&self) -> Result<f64> {
        let began = Instant::now();
        let callers = (0..AT_ONCE).map(|_| {
            let callers = self.clone();
            tokio::spawn(async move {
                let mut answered = 0_u32;
                while began.elapsed() < SPAN {
                    callers.ask().await?;
                    answered += 1;
                }
                anyhow::Ok(answered)
            })
        });
        let mut answered = 0;
        for caller in callers.collect::<Vec<_>>() {
            answered += caller.await??;
        }
        Ok(f64::from(answered) / began.elapsed().as_secs_f64())
    }

    /// How long each caller waits when they come at this rate, whether or not those before them are answered.
    async fn steadily(&self, per_second: f64) -> Result<Vec<f64>> {
        let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let began = Instant::now();
        let mut asking = Vec::new();
        while began.elapsed() < SPAN {
            ticks.tick().await;
            let (callers, counts) = (self.clone(), began.elapsed() > SETTLING);
            asking.push(tokio::spawn(async move { callers.ask().await.map(|wait| counts.then_some(wait)) }));
        }
        let mut waits = Vec::with_capacity(asking.len());
        for caller in asking {
            waits.extend(caller.await??);
        }
        Ok(waits)
    }
}

/// What ingest's memory grows by for each of a thousand callers who wait, their connections included.
fn waiting(installation: &Installation, callers: &Callers) -> Result<f64> {
    let Installation { stack, runtime, world, .. } = installation;
    let ingest = stack.service(Service::Ingest);
    // A process that has kept nothing from the turns before.
    ingest.restart()?;
    stack.service(Service::Arbiter).stop()?;
    let pid = ingest.pid().context("ingest runs")?;
    let grown = runtime.block_on(async {
        let before = resident(pid)?;
        let asking: Vec<_> = (0..WAITING)
            .map(|_| {
                let (key, body) = callers.body();
                let request = callers.program.request(Method::POST, "/v1/requests").header("prefer", "wait=20");
                tokio::spawn(request.header("idempotency-key", key).json(&body).send())
            })
            .collect();
        wait_until("all of them to wait", Duration::from_secs(15), async || {
            let text = world.metrics().await.into_iter().find(|(name, _)| *name == "ingest").context("ingest")?.1?;
            let waiting = text.lines().find_map(|line| line.strip_prefix("daybook_api_waiting ")).unwrap_or("0");
            not_yet(waiting == WAITING.to_string(), || format!("{waiting} wait"))
        })
        .await?;
        let grown = resident(pid)? - before;
        for caller in asking {
            caller.await??;
        }
        anyhow::Ok(grown)
    })?;
    #[allow(clippy::cast_precision_loss, reason = "a thousand")]
    Ok(grown / WAITING as f64)
}

/// A process's resident memory, in bytes.
fn resident(pid: i32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kilobytes * 1_024.0)
}
