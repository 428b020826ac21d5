//! Three arbiters and the servers that they need, and nothing else: for what is done to deciding.
//!
//! Each has a [`Proxy`] of its own before PostgreSQL. A fourth can come and go. Requests are put straight on the topic.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::{Request, ResourceId, topics};
use daybook_runtime::kafka::Receipt;
use daybook_stack::{Engine, Server, Service, Stack, Unit, Until};
use daybook_tests::judge::gather::{gather, standing};
use daybook_tests::judge::{Evidence, Summary, broken, the_newest_is_shown_last};
use daybook_tests::privacy::{Forbidden, forbidden, search_logs};
use daybook_tests::proxy::{Deed, Proxy};
use daybook_tests::requests::Asker;
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;
use sqlx::postgres::PgConnectOptions;

use crate::instance::{RUNTIME, note};

/// Longer than anything keeps the flow waiting.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How many there are that stay.
pub const MEMBERS: usize = 3;

/// What each is told beyond its defaults. The brokers' least, because somebody waits for all of it; and small batches, so
/// that there are many transactions to hurt.
const SETTINGS: [(&str, &str); 2] =
    [("DAYBOOK__ARBITER__SESSION_TIMEOUT", "6s"), ("DAYBOOK__ARBITER__BATCH_MAX", "50")];

/// One arbiter.
pub struct Member {
    /// Its process.
    pub unit: Unit,
    /// What lies between it and PostgreSQL.
    pub proxy: Proxy,
}

/// The stack.
pub struct Arbiters {
    /// The processes.
    pub stack: Stack,
    /// The clients.
    pub world: World,
    /// The three that stay, then the one that comes and goes.
    pub members: Vec<Member>,
}

/// Runs a test on the one stack of arbiters, after the one before has healed it. A stack that it leaves in ruins is
/// replaced.
pub fn arbiters(test: impl AsyncFnOnce(&Arbiters) -> Result<()>) -> Result<()> {
    static ARBITERS: Mutex<Option<Arbiters>> = Mutex::new(None);
    let mut turn = ARBITERS.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out, so that whatever goes wrong brings it down.
    let arbiters = match turn.take() {
        Some(arbiters) => arbiters,
        None => Arbiters::start()?,
    };
    arbiters.staying().try_for_each(|member| member.unit.start_ready())?;
    let began = Instant::now();
    RUNTIME.block_on(async {
        test(&arbiters).await?;
        arbiters.keep_to_themselves()
    })?;
    note(&format!("{} took {:.0} s", thread::current().name().unwrap_or("it"), began.elapsed().as_secs_f64()));
    *turn = Some(arbiters);
    Ok(())
}

impl Arbiters {
    fn start() -> Result<Self> {
        let builder = Stack::builder().instance("it-arbiters").engine(Engine::Native).ephemeral().quiet(true);
        let builder = builder.servers([Server::Kafka, Server::Registry, Server::Postgres]).services([]);
        let stack = builder.until(Until::Setup).up().context("the stack it-arbiters did not come up")?;
        let _within = RUNTIME.enter();
        let endpoints = stack.endpoints();
        let world = World::new(endpoints.clone())?;
        let postgres: PgConnectOptions = endpoints.postgres.arbiter.parse()?;
        let server = format!("{}:{}", postgres.get_host(), postgres.get_port()).parse()?;
        let member = |replica| {
            let (unit, proxy) = (stack.replica(Service::Arbiter, replica), RUNTIME.block_on(Proxy::start(server))?);
            unit.set_env("DAYBOOK__POSTGRES__URL", &format!("postgres://daybook_arbiter@{}/daybook", proxy.address()))?;
            SETTINGS.into_iter().try_for_each(|(name, value)| unit.set_env(name, value))?;
            anyhow::Ok(Member { unit, proxy })
        };
        let members = (1..).take(MEMBERS + 1).map(member).collect::<Result<Vec<_>>>()?;
        Ok(Self { stack, world, members })
    }

    /// The three that stay.
    pub fn staying(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().take(MEMBERS)
    }

    /// PostgreSQL.
    pub fn postgres(&self) -> Unit {
        self.stack.server(Server::Postgres)
    }

    /// The partitions that the store says are this process's, whether it lives or not.
    pub async fn owned(&self, pid: Option<i32>) -> Result<Vec<i32>> {
        let owner = format!("process {}", pid.unwrap_or(0));
        let sql = "SELECT partition FROM arbiter_partition WHERE owner = $1 ORDER BY partition";
        Ok(sqlx::query_scalar(sql).bind(owner).fetch_all(self.world.store.pool()).await?)
    }

    /// Waits until this member decides something.
    pub async fn at_work(&self, member: &Member) -> Result<Vec<i32>> {
        wait_until("an arbiter to have partitions", PATIENCE, async || {
            let owned = self.owned(member.unit.pid()).await?;
            not_yet(!owned.is_empty(), || format!("{} has none", member.unit.part()))?;
            Ok(owned)
        })
        .await
    }

    /// Waits until none of a process's partitions is its own any more.
    pub async fn taken_over(&self, pid: Option<i32>) -> Result<()> {
        wait_until("a successor to take all partitions over", PATIENCE, async || {
            let owned = self.owned(pid).await?;
            not_yet(owned.is_empty(), || format!("process {pid:?} still has {owned:?}"))
        })
        .await
    }

    /// Who decides about this resource.
    pub async fn owner_of(&self, resource: &ResourceId) -> Result<&Member> {
        let partition = topics::partition_of(resource.as_str().as_bytes(), topics::PARTITIONS);
        wait_until("an owner of the resource", PATIENCE, async || {
            for member in self.staying() {
                if self.owned(member.unit.pid()).await?.contains(&partition) {
                    return Ok(member);
                }
            }
            anyhow::bail!("nobody has partition {partition}")
        })
        .await
    }

    /// Waits until these requests are decided.
    pub async fn decided(&self, receipts: &[Receipt]) -> Result<()> {
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        for receipt in receipts {
            let offset = last.entry(receipt.partition).or_insert(receipt.offset);
            *offset = receipt.offset.max(*offset);
        }
        wait_until("requests to be decided", PATIENCE, async || self.is_decided(&last).await).await
    }

    /// Whether each partition stands behind this offset.
    pub async fn is_decided(&self, last: &BTreeMap<i32, i64>) -> Result<()> {
        let stands = standing(&self.world).await?;
        for (partition, offset) in last {
            let next = stands.get(partition).map_or(0, |(next, _)| *next);
            not_yet(next > *offset, || format!("partition {partition} stands at {next}, before {offset}"))?;
        }
        Ok(())
    }

    /// Asks, and waits for the decisions.
    pub async fn ask(&self, asker: &Asker, requests: &[Request]) -> Result<()> {
        let receipts = asker.ask(requests).await?;
        self.decided(&receipts).await
    }

    /// Sees to it, as whoever runs Daybook does, that each of the three is started again when it has ended, until this is
    /// done. How often.
    pub async fn kept_alive<T>(&self, flow: impl Future<Output = Result<T>>) -> Result<(T, usize)> {
        let started = AtomicUsize::new(0);
        let watch = wait_until("the end", Duration::MAX, async || {
            for member in self.staying().filter(|member| !member.unit.is_running()) {
                blocking(&member.unit, Unit::start).await?;
                started.fetch_add(1, Ordering::SeqCst);
            }
            not_yet(false, || "it goes on".to_owned())
        });
        let done = tokio::select! {
            done = flow => done?,
            watched = watch => return Err(watched.err().context("it ends only with the flow")?),
        };
        Ok((done, started.into_inner()))
    }

    /// Holds everything that ever happened on this stack against the laws, at rest.
    pub async fn judge(&self) -> Result<(Evidence, Summary)> {
        // What a thawed arbiter said too late is put right a moment after it has said it.
        let evidence = wait_until("booking.canonical to end with the newest", PATIENCE, async || {
            let evidence = gather(&self.world, PATIENCE).await?;
            let older = the_newest_is_shown_last(&evidence.shown, &evidence.kept);
            not_yet(older.is_empty(), || older.join("; "))?;
            Ok(evidence)
        })
        .await?;
        let mut broken = broken(&evidence);
        let stopped = self.logged("partition stopped")?;
        ensure!(stopped == 0, "{stopped} partitions were stopped: see the logs of the arbiters");
        if !broken.is_empty() {
            let total = broken.len();
            broken.truncate(30);
            anyhow::bail!("{total} laws are broken:\n  {}", broken.join("\n  "));
        }
        let summary = Summary::of(&evidence);
        Ok((evidence, summary))
    }

    /// How many lines of all arbiters' logs hold this text.
    pub fn logged(&self, text: &str) -> Result<usize> {
        let logs: Vec<PathBuf> = self.members.iter().map(|member| member.unit.log_file()).collect();
        let mut lines = 0;
        for log in logs.iter().filter(|log| log.exists()) {
            let bytes = std::fs::read(log).with_context(|| log.display().to_string())?;
            lines += String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(text)).count();
        }
        Ok(lines)
    }

    /// How often an arbiter was fenced.
    pub fn fenced(&self) -> Result<usize> {
        self.logged("fenced: another arbiter")
    }

    /// The sum of a counter over all arbiters that run.
    pub async fn counted(&self, counter: &str) -> Result<f64> {
        let mut sum = 0.0;
        for member in self.members.iter().filter(|member| member.unit.is_running()) {
            let Some(url) = member.unit.admin_url() else { continue };
            let answer = self.world.http.get(format!("{url}/metrics")).timeout(Duration::from_secs(10)).send().await?;
            let text = answer.error_for_status()?.text().await?;
            let values = text.lines().filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                (name.split('{').next() == Some(counter)).then(|| value.parse::<f64>().ok())?
            });
            sum += values.sum::<f64>();
        }
        Ok(sum)
    }

    /// Nobody's data is in a log, and no process of ours has panicked.
    fn keep_to_themselves(&self) -> Result<()> {
        let mut list = forbidden(&self.world.endpoints);
        list.push(Forbidden { what: "a panic", text: "panicked at".to_owned(), except: &[] });
        let (_, found) = search_logs(&self.stack.log_dir(), &list)?;
        ensure!(found.is_empty(), "{} findings in logs:\n  {}", found.len(), found.join("\n  "));
        Ok(())
    }
}

/// The deed that freezes a process until somebody thaws it.
pub fn freeze(unit: &Unit) -> (Deed, Arc<Mutex<Option<daybook_stack::Error>>>) {
    let (unit, failure) = (unit.clone(), Arc::default());
    let note: Arc<Mutex<Option<daybook_stack::Error>>> = Arc::clone(&failure);
    let deed = move || {
        *note.lock().unwrap_or_else(PoisonError::into_inner) = unit.pause().err();
    };
    (Box::new(deed), failure)
}

/// Calls of a unit block; the flow must not.
pub async fn blocking<T: Send + 'static>(
    unit: &Unit,
    call: impl FnOnce(&Unit) -> Result<T, daybook_stack::Error> + Send + 'static,
) -> Result<T> {
    let unit = unit.clone();
    Ok(tokio::task::spawn_blocking(move || call(&unit)).await??)
}
