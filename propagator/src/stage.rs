//! Starting: the parts of the propagator, and who rings for whom.

use std::error::Error;
use std::sync::Arc;

use daybook_runtime::brake;
use daybook_runtime::config::Faults;
use daybook_runtime::kafka::{Consumer, ConsumerSpec, FromGroup, Producer, ProducerSpec};
use daybook_runtime::registry::Registry;
use daybook_runtime::reread;
use daybook_runtime::service::Service;
use tokio::sync::Notify;

use crate::adapter::Adapter;
use crate::compensate::Compensator;
use crate::config::Config;
use crate::error::StartError;
use crate::intake::{Intake, topics};
use crate::lane::Lane;
use crate::metrics::Metrics;
use crate::outcomes::Publisher;
use crate::reconcile::Reconciler;
use crate::records::Records;
use crate::store::Store;
use crate::sweep::Sweep;
use crate::target::{OnRefusal, Protocol, Target};
use crate::wake::Bells;
use crate::watch::Watch;

/// Sets the propagator going; comes back at once.
pub async fn start(config: Config, service: &Service) -> Result<(), Box<dyn Error + Send + Sync>> {
    let targets = targets(&config)?;
    let held = targets.clone();
    reread::watch(service, &config, Config::key_files, move |fresh: &Config| {
        let fresh = fresh.parse_targets(&mut Faults::default());
        for target in &held {
            if let Some(fresh) = fresh.iter().find(|fresh| fresh.name == target.name) {
                target.renew(fresh);
            }
        }
    });
    let metrics = Metrics::new(&service.registry).map_err(StartError::from)?;
    let pool = config.postgres.pool("daybook propagator")?;
    let store = Store::new(pool.clone(), service.metrics.clone());
    let registry = Registry::new(&config.registry, &service.metrics)?;
    let producer = Producer::start(&config.kafka, ProducerSpec::PIPELINE, &service.metrics)?;
    let records = Records::new(producer, registry.clone());
    let bells = Bells::new(targets.iter().map(|target| &target.name));
    let settled = Arc::new(Notify::new());
    let (life, health, settings) = (&service.life, &service.health, &config.propagator);
    let shutdown = || life.shutdown().clone();

    let (names, paused) =
        (targets.iter().map(|target| target.name.to_string()).collect::<Vec<_>>(), metrics.targets_paused.clone());
    let brakes = brake::watch(pool, service, move |braked| {
        for name in &names {
            paused.with_label_values(&[name]).set(i64::from(braked.target(name)));
        }
    });
    let configured = targets.iter().map(|target| target.name.to_string()).collect();
    let watch = Watch::new(store.clone(), metrics.clone(), health.clone(), settings.gauges, configured);
    life.spawn("watch", watch.run(shutdown()));

    for target in targets {
        let durations = metrics.call_duration_seconds.with_label_values(&[target.name.as_str()]);
        let adapter = Adapter::new(&target, durations)
            .map_err(|source| StartError::Target { target: target.name.clone(), source })?;
        let adapter = Arc::new(adapter);
        if let Some(readable) = adapter.readable() {
            let reconciler = Reconciler {
                target: target.name.clone(),
                readable,
                adapter: Arc::clone(&adapter),
                edits: target.edits,
                pace: settings.pace(),
                records: records.clone(),
                poll: settings.poll,
                store: store.clone(),
                metrics: metrics.clone(),
                brakes: brakes.clone(),
                health: health.clone(),
                bell: bells.of(&target.name),
                shutdown: shutdown(),
            };
            life.spawn("reading back", reconciler.run());
        }
        if let Protocol::Calendly { source, on_refusal: OnRefusal::Cancel, cancellations_per_hour, .. } =
            &target.protocol
        {
            let compensator = Compensator {
                target: target.name.clone(),
                source: source.clone(),
                most: *cancellations_per_hour,
                adapter: Arc::clone(&adapter),
                schedule: target.schedule.clone(),
                lease: settings.lease,
                poll: settings.poll,
                history: settings.history,
                store: store.clone(),
                metrics: metrics.clone(),
                health: health.clone(),
                shutdown: shutdown(),
            };
            life.spawn("compensations", compensator.run());
        }
        let lane = Lane {
            kind: target.protocol.kind(),
            adapter,
            schedule: target.schedule,
            breaker: target.breaker,
            concurrency: target.concurrency,
            lease: settings.lease,
            poll: settings.poll,
            store: store.clone(),
            records: records.clone(),
            metrics: metrics.clone(),
            brakes: brakes.clone(),
            health: health.clone(),
            bell: bells.of(&target.name),
            outcomes: Arc::clone(&settled),
            shutdown: shutdown(),
            target: target.name,
        };
        life.spawn("lane", lane.run());
    }

    let publisher = Publisher {
        store: store.clone(),
        records,
        metrics: metrics.clone(),
        health: health.clone(),
        bell: settled,
        batch: settings.batch,
        poll: settings.poll,
    };
    life.spawn("outcomes", publisher.run(shutdown()));

    let sweep = Sweep {
        store: store.clone(),
        bells: bells.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
        every: settings.sweep,
        slice: settings.sweep_slice,
        history: settings.history,
    };
    life.spawn("sweep", sweep.run(shutdown()));

    let spec = ConsumerSpec {
        group: settings.group.clone(),
        topics: topics(),
        // One batch at work, one waiting.
        queue: settings.batch,
        session_timeout: settings.session_timeout,
    };
    let mut consumer = Consumer::start(&config.kafka, &spec, FromGroup, life, health, &service.metrics)?;
    let intake = Intake { store, registry, bells, metrics, batch: settings.batch };
    let workers = life.clone();
    life.spawn("consumer", async move {
        intake.run(&mut consumer.partitions, &workers).await;
        consumer.join().await;
        Ok::<(), std::convert::Infallible>(())
    });
    Ok(())
}

/// The settings were checked when they were read; checked once more, because a test may build them itself.
fn targets(config: &Config) -> Result<Vec<Target>, StartError> {
    let mut faults = Faults::default();
    let targets = config.parse_targets(&mut faults);
    if faults.is_empty() { Ok(targets) } else { Err(faults.into()) }
}
