//! A real Prometheus, with the alerts as they are shipped, scrapes a real stack: on one that is well nothing fires but the watchdog;
//! faults are seen for what they are.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use daybook_stack::{Service, prometheus};
use daybook_tests::calendar::WriteFault;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::wait::{not_yet, wait_until};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::dashboards::{QUIET, panels};
use crate::instance::{Instance, Rough, SOON, rough};
use crate::mirrors::{HOUR, at, calendar, hour, resource, said, shown};

/// What says that alerts are heard.
const WATCHDOG: &str = "DaybookWatchdog";

/// A Prometheus of our own.
struct Prometheus {
    process: Child,
    base: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Scrapes this stack each second. `patient` waits as long as the alerts say; otherwise they fire at once.
    fn start(it: &Instance, patient: bool) -> Result<Self> {
        let helm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../helm/alerts");
        let home = it.stack.layout().data().join(if patient { "prometheus" } else { "prometheus-impatient" });
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home)?;
        for file in ["causes.rules.yaml", "slo.rules.yaml"] {
            let rules = std::fs::read_to_string(helm.join(file))?;
            let lines = rules.lines().filter(|line| patient || !line.trim_start().starts_with("for: "));
            std::fs::write(home.join(file), lines.map(|line| format!("{line}\n")).collect::<String>())?;
        }
        let admin = &it.world.endpoints.admin;
        let targets = [&admin.ingest, &admin.normalizer, &admin.arbiter, &admin.propagator];
        let targets: Vec<&str> = targets.into_iter().map(|url| url.trim_start_matches("http://")).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [causes.rules.yaml, slo.rules.yaml]\n\
             scrape_configs:\n  - job_name: daybook\n    static_configs: [{{ targets: {targets:?} }}]\n"
        );
        std::fs::write(home.join("prometheus.yml"), config)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let program =
            prometheus("prometheus", &it.stack.layout().dist()).context("prometheus; `make test` installs it")?;
        let process = Command::new(program)
            .arg(format!("--config.file={}", home.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", home.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("prometheus starts")?;
        Ok(Self { process, base: format!("http://127.0.0.1:{port}") })
    }

    async fn ask(&self, it: &Instance, path: &str) -> Result<Value> {
        let answer = it.world.http.get(format!("{}{path}", self.base)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The alerts that fire.
    async fn firing(&self, it: &Instance) -> Result<BTreeSet<String>> {
        let answer = self.ask(it, "/api/v1/alerts").await?;
        let alerts = answer["data"]["alerts"].as_array().context("alerts")?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned())).collect())
    }

    async fn fires(&self, it: &Instance, name: &str) -> Result<()> {
        wait_until(&format!("{name} to fire"), SOON, async || {
            let firing = self.firing(it).await?;
            not_yet(firing.contains(name), || format!("{firing:?}"))
        })
        .await
    }

    async fn ends(&self, it: &Instance, name: &str) -> Result<()> {
        wait_until(&format!("{name} to end"), 2 * SOON, async || {
            let firing = self.firing(it).await?;
            not_yet(!firing.contains(name), || format!("{firing:?}"))
        })
        .await
    }

    /// Whether every panel of the dashboards has something to draw, but for those that say themselves when they have not.
    async fn draws(&self, it: &Instance) -> Result<()> {
        let mut empty = Vec::new();
        for panel in panels()? {
            let mut found = 0;
            for query in &panel.queries {
                let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
                let answer = self.ask(it, &format!("/api/v1/query?query={query}")).await;
                let answer = answer.with_context(|| panel.name.clone())?;
                found += answer["data"]["result"].as_array().context("a result")?.len();
            }
            if found == 0 && !panel.description.starts_with(QUIET) {
                empty.push(panel.name);
            }
        }
        ensure!(empty.is_empty(), "nothing to draw: {empty:?}");
        Ok(())
    }

    /// Waits until it has seen every service ten times, and judged each time.
    async fn has_watched(&self, it: &Instance) -> Result<()> {
        wait_until("every service to be scraped", SOON, async || {
            let query = "/api/v1/query?query=min(count_over_time(daybook_build_info[1m]))%20and%20count(daybook_build_info)%3E%3D4";
            let answer = self.ask(it, query).await?;
            let seen = answer["data"]["result"][0]["value"][1].as_str().and_then(|seen| seen.parse::<f64>().ok());
            not_yet(seen >= Some(10.0), || format!("{answer}"))
        })
        .await
    }
}

#[test]
fn on_a_stack_that_is_well_and_at_work_nothing_fires_and_real_faults_fire_their_alerts() -> Result<()> {
    rough(Rough::Services, async |it| {
        let resource = resource(it.name("watched"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let well = Prometheus::start(it, true)?;
        let appointment = Appointment::new(&resource.alias, Person::invent(), at(hour(30)), at(hour(30) + HOUR));
        said(it, appointment.created()).await?;
        shown(it, &resource).await?;
        well.has_watched(it).await?;
        well.fires(it, WATCHDOG).await?;
        let firing = well.firing(it).await?;
        ensure!(firing.len() == 1, "on a stack that is well {firing:?} fire");
        let rules = well.ask(it, "/api/v1/rules").await?;
        let broken: Vec<String> = rules["data"]["groups"]
            .as_array()
            .context("groups")?
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .filter(|rule| rule["health"] != "ok")
            .map(|rule| format!("{}: {}", rule["name"], rule["lastError"]))
            .collect();
        ensure!(broken.is_empty(), "{broken:?}");
        well.draws(it).await?;
        drop(well);

        // The same without patience, and each fault in turn.
        let prometheus = Prometheus::start(it, false)?;
        prometheus.has_watched(it).await?;
        let stop = ["freeze", "--reason", "a test of the alerts"];
        ensure!(it.world.daybook(&stop, "").await?.success);
        prometheus.fires(it, "DaybookStoppedByHand").await?;
        ensure!(it.world.daybook(&["thaw"], "").await?.success);
        prometheus.ends(it, "DaybookStoppedByHand").await?;

        it.stack.service(Service::Normalizer).kill9()?;
        prometheus.fires(it, "DaybookServiceGone").await?;
        it.stack.service(Service::Normalizer).start_ready()?;
        prometheus.ends(it, "DaybookServiceGone").await?;

        let away = std::iter::repeat_n(WriteFault::Away, 10_000);
        calendar(&resource, "google", |calendar| calendar.write_faults.extend(away));
        let other = Appointment::new(&resource.alias, Person::invent(), at(hour(50)), at(hour(50) + HOUR));
        said(it, other.created()).await?;
        prometheus.fires(it, "DaybookTargetDown").await?;
        calendar(&resource, "google", |calendar| calendar.write_faults.clear());
        shown(it, &resource).await?;
        prometheus.ends(it, "DaybookTargetDown").await
    })
}
