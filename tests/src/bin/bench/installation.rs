//! What is measured: a stack of its own, the clients, and the resources.

use std::sync::Arc;

use anyhow::{Context, Result};
use daybook_domain::topics;
use daybook_stack::{Builder, Engine, Part, Server, Service, Stack, Until};
use daybook_tests::resources::Resource;
use daybook_tests::world::World;
use tokio::runtime::Runtime;

use crate::load::{Load, Over, send};
use crate::report::Report;
use crate::rows::Rows;
use crate::takeover::{SECOND, SESSION_TIMEOUT};
use crate::topic::Reader;

/// Resources that decisions are spread over.
pub const RESOURCES: usize = 1_000;
/// Requests that are decided before anything is measured: connections are open, code is compiled and caches are warm.
const WARM_UP: usize = 40_000;

/// A stack that is up, with clients. The calls block: whoever measures is outside the runtime.
pub struct Installation {
    // Clients are dropped before what they speak to, and before what they run on.
    /// Makes requests.
    pub load: Load,
    /// The clients.
    pub world: World,
    /// The resources.
    pub resources: Vec<Resource>,
    rows: Option<Arc<Rows>>,
    /// The processes.
    pub stack: Stack,
    /// What the clients run on.
    pub runtime: Runtime,
}

impl Installation {
    /// Everything, for webhooks.
    pub fn whole() -> Result<Self> {
        Self::up(Stack::builder())
    }

    /// Everything, with settings of its own.
    pub fn with(settings: impl IntoIterator<Item = (Service, String, String)>) -> Result<Self> {
        let set =
            |builder: Builder, (service, name, value): (Service, String, String)| builder.env(service, name, value);
        Self::up(settings.into_iter().fold(Stack::builder(), set))
    }

    /// The arbiter and what it stands on. It has decided something.
    pub fn arbiter() -> Result<Self> {
        let servers = [Server::Kafka, Server::Registry, Server::Postgres];
        let mut installation = Self::up(Stack::builder().servers(servers).services([Service::Arbiter]))?;
        installation.warm_up()?;
        Ok(installation)
    }

    fn up(builder: Builder) -> Result<Self> {
        let bin_dir = std::env::current_exe()?.parent().context("a directory")?.to_owned();
        let mut builder =
            builder.instance("bench").engine(Engine::Native).until(Until::Services).bin_dir(bin_dir).ephemeral();
        for service in [Service::Ingest, Service::Normalizer, Service::Arbiter, Service::Propagator] {
            // A line for each decision is a choice of the operator, not a part of deciding.
            builder = builder.env(service, "DAYBOOK__LOG__FILTER", "warn");
        }
        let session = format!("{}s", SESSION_TIMEOUT.as_secs());
        for arbiter in [Part::from(Service::Arbiter), SECOND] {
            builder = builder.env(arbiter, "DAYBOOK__LOG__FILTER", "warn");
            builder = builder.env(arbiter, "DAYBOOK__ARBITER__SESSION_TIMEOUT", &session);
        }
        let stack = builder.up()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let world = runtime.block_on(async { World::new(stack.endpoints()) })?;
        let resources: Vec<Resource> = (0..RESOURCES).map(|n| Resource::unseen(format!("bench-{n}"))).collect();
        runtime.block_on(world.load(&resources))?;
        let load = runtime.block_on(Load::new(&world))?;
        Ok(Self { load, world, resources, rows: None, stack, runtime })
    }

    /// Sends so many requests over these resources, as fast as they go; back when the last decision was read. Decisions
    /// per second, from the first request sent.
    pub fn decide(&mut self, over: Over, requests: usize) -> Result<f64> {
        let requests = self.load.requests(requests, over)?;
        let count = requests.len();
        let decisions = Reader::from_now(&self.world, topics::DECISIONS)?;
        let sending = self.runtime.spawn(send(self.load.producer().clone(), requests));
        let seconds = decisions.await_count(count)?.as_secs_f64();
        self.runtime.block_on(sending)??;
        Ok(rate(count, seconds))
    }

    /// The rows that a decision writes, with the tables to write them to.
    pub fn rows(&mut self) -> Result<Arc<Rows>> {
        if let Some(rows) = &self.rows {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.runtime.block_on(Rows::prepare(&self.world.endpoints.postgres))?);
        self.rows = Some(Arc::clone(&rows));
        Ok(rows)
    }

    /// Reports the memory of a service.
    pub fn memory(&self, report: &mut Report, service: Service, wanted: &str) -> Result<()> {
        report.memory(service.name(), self.stack.service(service).pid(), wanted)
    }

    /// Stops the arbiter meanwhile, which polls for requests and whose sessions would share the server.
    pub fn without_arbiter<T>(&mut self, measure: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.stack.service(Service::Arbiter).stop()?;
        let measured = measure(self)?;
        self.stack.service(Service::Arbiter).start_ready()?;
        self.warm_up()?;
        Ok(measured)
    }

    /// Decides a little, so that connections are open, plans are made, and every kind of row is there.
    pub fn warm_up(&mut self) -> Result<()> {
        self.decide(Over::first(RESOURCES), WARM_UP).map(drop)
    }
}

/// So many in so many seconds.
#[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
pub fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}
