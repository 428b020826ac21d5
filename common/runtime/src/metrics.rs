//! Typed metrics: a field is a metric, its doc comment is its help text, its labels stand beside it.
//!
//! No global registry and no name at a call site, so a test can build its own and read it.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Upper bounds, in seconds, of every latency histogram: from a local commit to a stuck vendor.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Upper bounds of every histogram of counts.
const COUNTS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0];

/// A kind of metric that [`metrics!`] can build.
pub trait Metric: Collector + Clone + Sized + 'static {
    /// Builds one.
    fn build(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Self>;
}

macro_rules! metric {
    ($kind:ty, |$opts:ident, $labels:ident| $build:expr) => {
        impl Metric for $kind {
            fn build(name: &str, help: &str, $labels: &[&str]) -> prometheus::Result<Self> {
                let $opts = Opts::new(name, help.trim());
                $build
            }
        }
    };
}

metric!(IntCounter, |opts, _labels| IntCounter::with_opts(opts));
metric!(IntCounterVec, |opts, labels| IntCounterVec::new(opts, labels));
metric!(IntGauge, |opts, _labels| IntGauge::with_opts(opts));
metric!(IntGaugeVec, |opts, labels| IntGaugeVec::new(opts, labels));
metric!(Gauge, |opts, _labels| Gauge::with_opts(opts));
metric!(Histogram, |opts, _labels| Histogram::with_opts(histogram(opts)));
metric!(HistogramVec, |opts, labels| HistogramVec::new(histogram(opts), labels));

fn histogram(opts: Opts) -> HistogramOpts {
    let buckets = if opts.name.ends_with("_seconds") { SECONDS.to_vec() } else { COUNTS.to_vec() };
    HistogramOpts { common_opts: opts, buckets }
}

/// Declares a struct of metrics. `name` of field `f` is `<prefix>_f`; a histogram whose name ends in `_seconds` gets
/// latency buckets, any other gets buckets for counts.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$outer:meta])*
        pub struct $name:ident($prefix:literal) {
            $( $(#[doc = $help:literal])+ $field:ident: $kind:ident $([$($label:literal),+])?, )+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $help])+ pub $field: $crate::prometheus::$kind, )+
        }

        impl $name {
            /// Builds and registers every metric. Fails only if one of the same name is registered already.
            pub fn new(registry: &$crate::prometheus::Registry) -> $crate::prometheus::Result<Self> {
                let metrics = Self {
                    $( $field: $crate::metrics::Metric::build(
                        concat!($prefix, "_", stringify!($field)),
                        concat!($($help),+),
                        &[$($($label),+)?],
                    )?, )+
                };
                $( registry.register(Box::new(metrics.$field.clone()))?; )+
                Ok(metrics)
            }
        }
    };
}

metrics! {
    /// What every service counts.
    pub struct CommonMetrics("daybook") {
        /// 1, with the running version as label.
        build_info: IntGaugeVec["service", "version"],
        /// Writes that PostgreSQL refused for want of a right (SQLSTATE 42501). Any at all: somebody goes round the
        /// arbiter. Alert at once.
        forbidden_writes_total: IntCounter,
        /// Errors that librdkafka reported, by its own name for them. Alert when it keeps rising for 5 minutes.
        kafka_errors_total: IntCounterVec["error"],
        /// Partitions that this process owns.
        partitions_owned: IntGaugeVec["topic"],
        /// Records that a partition's worker has not finished; non-zero and constant is a stall.
        records_in_flight: IntGaugeVec["topic", "partition"],
        /// How long a revoked partition's worker took to stop, in seconds. Alert above 10.
        drain_seconds: Histogram,
        /// Calls to the schema registry that failed and are tried again.
        registry_errors_total: IntCounter,
        /// 1 while the settings, read again because they have changed, are faulty: those before go on counting, and the next start
        /// would fail. Alert at once.
        settings_refused: IntGauge,
    }
}

impl CommonMetrics {
    /// The common metrics of the service `service`, whose version is this workspace's.
    pub fn of(service: &str, registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self::new(registry)?;
        metrics.build_info.with_label_values(&[service, env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }
}

/// The text that Prometheus scrapes.
pub fn render(registry: &Registry) -> prometheus::Result<String> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_scraped_under_its_prefix_with_its_help() {
        let registry = Registry::new();
        let metrics = CommonMetrics::of("test", &registry).expect("registers");
        metrics.forbidden_writes_total.inc();
        let text = render(&registry).expect("renders");
        assert!(text.contains("daybook_forbidden_writes_total 1"));
        assert!(text.contains("# HELP daybook_forbidden_writes_total Writes that PostgreSQL refused"));
    }

    #[test]
    fn the_same_name_cannot_be_registered_twice() {
        let registry = Registry::new();
        CommonMetrics::of("test", &registry).expect("registers");
        assert!(CommonMetrics::of("test", &registry).is_err());
    }
}
