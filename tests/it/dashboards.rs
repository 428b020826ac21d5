//! The dashboards: each panel says what it is, asks for what exists in words that Prometheus understands, and is drawn from a
//! Prometheus that is chosen.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::alerts::{helm, known_metrics, metrics, promtool};

/// How the description of a panel begins that a well installation leaves empty.
pub const QUIET: &str = "Empty while there is nothing of it. ";

/// A panel of a dashboard.
pub struct Panel {
    /// Which, for whoever reads a failure.
    pub name: String,
    /// What it says of itself.
    pub description: String,
    /// What it asks, as Prometheus would be asked by somebody who has chosen everything.
    pub queries: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn dashboards() -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for file in fs::read_dir(helm("dashboards"))? {
        let path = file?.path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        let name = path.file_stem().and_then(|name| name.to_str()).context("a name")?;
        ensure!(dashboard["uid"] == name, "{name} has the uid {}", dashboard["uid"]);
        all.push(dashboard);
    }
    ensure!(all.len() == 6, "{} dashboards", all.len());
    Ok(all)
}

/// Every panel of all dashboards.
pub fn panels() -> Result<Vec<Panel>> {
    let mut all = Vec::new();
    for dashboard in dashboards()? {
        for panel in dashboard["panels"].as_array().context("panels")? {
            let name = format!("{}: {}", text(&dashboard["uid"]), text(&panel["title"]));
            let mut queries = Vec::new();
            for target in panel["targets"].as_array().context("targets")? {
                let query = text(&target["expr"]).replace("$__rate_interval", "1m");
                queries.push(query.replace("$source", ".*").replace("$target", ".*"));
                ensure!(target["datasource"]["uid"] == "${datasource}", "{name} chooses its Prometheus itself");
            }
            all.push(Panel { name, description: text(&panel["description"]), queries });
        }
    }
    Ok(all)
}

#[test]
fn each_panel_says_what_it_is_and_asks_for_what_the_services_have_in_words_of_prometheus() -> Result<()> {
    let known = known_metrics()?;
    let (mut rules, mut number) = ("groups:\n  - name: panels\n    rules:\n".to_owned(), 0);
    for Panel { name, description, queries } in panels()? {
        ensure!(!description.is_empty() && !queries.is_empty(), "{name} says or asks nothing");
        for query in queries {
            for metric in metrics(&query) {
                ensure!(known.contains(metric), "{name}: no service has {metric}");
            }
            ensure!(!query.contains('$'), "{name} has a variable that nobody knows: {query}");
            number += 1;
            write!(rules, "      - record: panel:query{number}\n        expr: {}\n", Value::from(query))?;
        }
    }
    let file = std::env::temp_dir().join(format!("daybook-panels-{}.yaml", std::process::id()));
    fs::write(&file, rules)?;
    let judged = promtool(&["check", "rules", &file.to_string_lossy()]);
    fs::remove_file(&file)?;
    judged.map(drop)
}

#[test]
fn panels_lie_beside_each_other_and_have_numbers_of_their_own() -> Result<()> {
    for dashboard in dashboards()? {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().context("panels")? {
            ensure!(ids.insert(panel["id"].as_u64().context("an id")?), "{} twice", panel["id"]);
            let at = |side: &str| panel["gridPos"][side].as_u64().context("a place");
            let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
            ensure!(x + w <= 24, "{} is beyond the edge", panel["title"]);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                ensure!(taken.insert(cell), "{} lies on another", panel["title"]);
            }
        }
        let variables = dashboard["templating"]["list"].as_array().context("variables")?;
        ensure!(
            variables.iter().any(|it| it["name"] == "datasource" && it["type"] == "datasource"),
            "no choice of Prometheus"
        );
    }
    Ok(())
}
