//! The alerts: that those on promises are made of the promises, that each fires and is silent where it should by Prometheus' own
//! judge, that what they ask for exists, and that each has a page whose commands exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use daybook_stack::prometheus;
use expect_test::expect_file;
use serde::Deserialize;

use crate::instance::shared;

/// The windows over which errors are recorded.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
/// Who is told, and when: so many times as fast as the budget of 30 days allows, over the long window and, so that it ends soon
/// after the fault does, over the short one (Google's SRE workbook, "Alerting on SLOs", 6).
const BURNS: [(&str, [Burn; 2]); 2] =
    [("page", [("1h", "5m", 14.4), ("6h", "30m", 6.0)]), ("ticket", [("1d", "2h", 3.0), ("3d", "6h", 1.0)])];

/// A long window, a short one, and how many times too fast.
type Burn = (&'static str, &'static str, f64);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Objective {
    name: String,
    alert: String,
    objective: f64,
    good: String,
    all: String,
    by: Vec<String>,
    summary: String,
}

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

pub fn helm(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../helm").join(path)
}

fn text(path: &str) -> Result<String> {
    fs::read_to_string(helm(path)).with_context(|| path.to_owned())
}

/// The rules that follow from what is promised.
fn generated(objectives: &[Objective]) -> String {
    let mut out =
        "# Made of slo.yaml, which says how; do not edit.\ngroups:\n  - name: daybook-slo\n    rules:\n".to_owned();
    for Objective { name, good, all, by, .. } in objectives {
        for window in WINDOWS {
            let sum = |counter: &str| format!("sum by ({}) (rate({counter}[{window}]))", by.join(", "));
            let _ = write!(
                out,
                "      - record: daybook:slo_errors:ratio_rate{window}\n        expr: >-\n          1 - {}\n          / {}\n        \
                 labels: {{ slo: {name} }}\n",
                sum(good),
                sum(all)
            );
        }
    }
    for Objective { name, alert, objective, summary, .. } in objectives {
        let budget = (100.0 - objective) / 100.0;
        for (severity, burns) in BURNS {
            let above = |window: &str, times: f64| {
                format!("daybook:slo_errors:ratio_rate{window}{{slo=\"{name}\"}} > {:.6}", times * budget)
            };
            let [first, second] =
                burns.map(|(long, short, times)| format!("({} and {})", above(long, times), above(short, times)));
            let _ = write!(
                out,
                "      - alert: {alert}\n        expr: >-\n          {first}\n          or {second}\n        for: 2m\n        \
                 labels: {{ severity: {severity}, slo: {name} }}\n        annotations:\n          summary: {summary:?}\n          \
                 runbook_url: runbooks/{alert}.md\n"
            );
        }
    }
    out
}

fn alerts() -> Result<Vec<Rule>> {
    let mut all = Vec::new();
    for file in ["alerts/causes.rules.yaml", "alerts/slo.rules.yaml"] {
        let rules: Rules = serde_norway::from_str(&text(file)?).with_context(|| file.to_owned())?;
        all.extend(rules.groups.into_iter().flat_map(|group| group.rules));
    }
    Ok(all)
}

fn names(rules: &[Rule]) -> BTreeSet<&str> {
    rules.iter().filter_map(|rule| rule.alert.as_deref()).collect()
}

pub fn promtool(arguments: &[&str]) -> Result<String> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/stack/dist");
    let promtool = prometheus("promtool", &dist).context("promtool; `make test` installs it")?;
    let ran = Command::new(promtool).args(arguments).current_dir(helm("alerts")).output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    ensure!(ran.status.success(), "{said}");
    Ok(said)
}

#[test]
fn the_alerts_on_promises_are_made_of_the_promises() -> Result<()> {
    let objectives: Vec<Objective> = serde_norway::from_str(&text("alerts/slo.yaml")?)?;
    expect_file![helm("alerts/slo.rules.yaml")].assert_eq(&generated(&objectives));
    Ok(())
}

#[test]
fn each_alert_fires_and_is_silent_where_it_should_by_prometheus_own_judge() -> Result<()> {
    promtool(&["check", "rules", "causes.rules.yaml", "slo.rules.yaml"])?;
    promtool(&["test", "rules", "tests.yaml"])?;
    // Nobody is left out, but for the one that always fires.
    let tests = text("alerts/tests.yaml")?;
    let rules = alerts()?;
    for name in names(&rules).into_iter().filter(|name| *name != "DaybookWatchdog") {
        for case in ["fires", "is silent"] {
            ensure!(tests.contains(&format!("- name: {name} {case}\n")), "{name} has no case in which it {case}");
        }
    }
    Ok(())
}

#[test]
fn each_alert_says_how_bad_it_is_and_has_a_page_that_says_what_to_do() -> Result<()> {
    let rules = alerts()?;
    for rule in rules.iter().filter(|rule| rule.alert.is_some()) {
        let name = rule.alert.as_deref().unwrap_or_default();
        let severity = rule.labels.get("severity").map(String::as_str);
        ensure!(matches!(severity, Some("page" | "ticket" | "none")), "{name} has no severity");
        ensure!(rule.annotations.contains_key("summary"), "{name} has no summary");
        let page = rule.annotations.get("runbook_url").context(name.to_owned())?;
        ensure!(*page == format!("runbooks/{name}.md"), "{name} names the page {page}");
        let page = text(page)?;
        ensure!(page.starts_with(&format!("# {name}\n")), "the page of {name} has another title");
        let parts: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        ensure!(parts == ["Symptom", "Impact", "Check", "Fix", "Verify"], "the page of {name} has the parts {parts:?}");
    }
    let pages: BTreeSet<String> = fs::read_dir(helm("runbooks"))?
        .filter_map(|page| Some(page.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    let names: BTreeSet<String> = names(&rules).into_iter().map(str::to_owned).collect();
    ensure!(pages == names, "pages without an alert, or alerts without one: {:?}", pages.symmetric_difference(&names));
    Ok(())
}

/// Every name of a metric in a text.
pub fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    // The store's roles are called so, too.
    let roles = ["daybook_arbiter", "daybook_propagator", "daybook_ingest", "daybook_reader"];
    words.filter(|word| word.starts_with("daybook_") && !roles.contains(word)).collect()
}

/// A metric, as its source has it.
struct Metric {
    name: String,
    kind: String,
    labels: Vec<String>,
    means: String,
}

/// Where each is counted, and by whom.
const COUNTED: [(&str, &str); 6] = [
    ("Ingest: the door, what is fetched, listed and read", "ingest/src/metrics.rs"),
    ("Ingest: the API", "ingest/src/api/metrics.rs"),
    ("Normalizer", "normalizer/src/metrics.rs"),
    ("Arbiter", "arbiter/src/metrics.rs"),
    ("Propagator", "propagator/src/metrics.rs"),
    ("Every service", "common/runtime/src/metrics.rs"),
];

/// The metrics of one file.
fn counted(file: &str) -> Result<Vec<Metric>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(&path).with_context(|| file.to_owned())?;
    let (mut prefix, mut means, mut all) = (None, Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            means.push(words);
            continue;
        }
        if line.starts_with("pub struct ")
            && let Some((_, rest)) = line.split_once("(\"")
        {
            prefix = rest.split('"').next();
        } else if let (Some(prefix), Some((name, rest))) = (prefix, line.split_once(": ")) {
            let rest = rest.trim_end_matches(',');
            let (kind, labels) = rest.split_once('[').unwrap_or((rest, ""));
            if ["Int", "Histogram", "Gauge"].iter().any(|known| kind.starts_with(known)) {
                let labels = labels.split('"').skip(1).step_by(2).map(str::to_owned).collect();
                let (name, kind) = (format!("{prefix}_{name}"), kind.to_owned());
                all.push(Metric { name, kind, labels, means: means.join(" ") });
            }
        }
        means.clear();
    }
    Ok(all)
}

/// What the services have, by their source: the names that can be asked for.
pub fn known_metrics() -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for (_, file) in COUNTED {
        for Metric { name, kind, .. } in counted(file)? {
            if kind.starts_with("Histogram") {
                known.extend(["bucket", "count", "sum"].map(|part| format!("{name}_{part}")));
            }
            known.insert(name);
        }
    }
    Ok(known)
}

#[test]
fn the_table_of_metrics_is_what_the_code_says_of_each() -> Result<()> {
    let mut page = "# Metrics\n\nWhat the services count, at `/metrics` of their administrative ports. Made from the code by a test \
                    (`UPDATE_EXPECT=1 cargo test -p daybook-tests --test it -- the_table_of_metrics`): change it there.\n"
        .to_owned();
    for (who, file) in COUNTED {
        page.push_str(&format!("\n## {who}\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n"));
        for Metric { name, kind, labels, means } in counted(file)? {
            ensure!(!means.is_empty(), "{file}: nobody says what {name} is");
            let kind = match kind.trim_end_matches("Vec") {
                "IntCounter" => "counter",
                "IntGauge" | "Gauge" => "gauge",
                "Histogram" => "histogram",
                other => anyhow::bail!("{file}: {name} is a {other}"),
            };
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            page.push_str(&format!("| `{name}` | {kind} | {labels} | {} |\n", means.replace('|', "\\|")));
        }
    }
    expect_test::expect_file![helm("METRICS.md")].assert_eq(&page);
    Ok(())
}

#[test]
fn what_the_alerts_and_their_pages_ask_for_is_what_the_services_have() -> Result<()> {
    let known = known_metrics()?;
    let mut asked = alerts()?.iter().map(|rule| rule.expr.clone()).collect::<Vec<_>>();
    for page in fs::read_dir(helm("runbooks"))? {
        asked.push(fs::read_to_string(page?.path())?);
    }
    for text in &asked {
        for metric in metrics(text) {
            ensure!(known.contains(metric), "no service has {metric}");
        }
    }
    Ok(())
}

#[test]
fn what_is_counted_has_few_series_whatever_is_sent() -> Result<()> {
    shared(async |it| {
        for (service, text) in it.world.metrics().await {
            let text = text.with_context(|| service.to_owned())?;
            let series = text.lines().filter(|line| !line.starts_with('#')).count();
            // Labels are names of sources, targets, partitions, outcomes and reasons; nobody's ids.
            ensure!(series < 3_000, "{service} has {series} series");
        }
        Ok(())
    })
}
