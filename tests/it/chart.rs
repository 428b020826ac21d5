//! The chart: what it renders for some environments is what Kubernetes takes, and what the services themselves take.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize as _;
use serde_norway::Value;

use crate::layers::root;
use crate::peers::{python, run};

/// What the Secrets of an environment have: the variables, by service.
struct Environment {
    name: &'static str,
    secrets: &'static [(&'static str, &'static str, &'static str)],
}

const WHSEC: &str = "[\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]";
const KEY: &str = "[\"a-key-of-more-than-16-bytes\"]";

const ENVIRONMENTS: [Environment; 3] = [
    Environment {
        name: "full",
        secrets: &[
            ("ingest", "SOURCES__GENERIC__SECRETS", WHSEC),
            ("ingest", "SOURCES__SALES-DESK__SECRETS", WHSEC),
            ("ingest", "SOURCES__SALES__SECRETS", KEY),
            ("ingest", "SOURCES__SALES__API__CLIENT_SECRET", "a-secret"),
            ("ingest", "SOURCES__SALES__API__REFRESH_TOKEN", "a-token"),
            ("ingest", "SOURCES__SALES__API__TOKEN_KEY", "Kw4a2Sx0bLq3nJv1yTz5cQ7mUe9pRk8oHf6gDi0sBtA="),
            ("ingest", "SOURCES__CRM__SECRETS", KEY),
            ("ingest", "SOURCES__CRM__API__TOKEN", "a-token"),
            ("ingest", "SOURCES__SHOP__SECRETS", KEY),
            ("propagator", "TARGETS__CALENDAR__PASSWORD", "a-password"),
            ("propagator", "TARGETS__GOOGLE__TOKEN", "a-token"),
            ("propagator", "TARGETS__OUTLOOK__CLIENT_SECRET", "a-secret"),
            ("propagator", "TARGETS__PARTNER__SECRETS", WHSEC),
            ("propagator", "TARGETS__BOOKED__TOKEN", "a-token"),
            ("propagator", "TARGETS__SALES__TOKEN", "a-token"),
            ("propagator", "TARGETS__SITE__TOKEN", "a-token"),
            ("propagator", "TARGETS__DOOR__TOKEN", "a-token"),
        ],
    },
    Environment { name: "small", secrets: &[("ingest", "SOURCES__CALENDLY__SECRETS", KEY)] },
    Environment {
        name: "clinic",
        secrets: &[
            ("ingest", "SOURCES__CALENDLY__SECRETS", KEY),
            ("ingest", "SOURCES__CALENDLY__API__TOKEN", "a-token"),
            ("ingest", "SOURCES__GENERIC__SECRETS", WHSEC),
            ("ingest", "SOURCES__ROTA__FEEDS", "{anna = \"https://rota.example.com/anna.ics\"}"),
        ],
    },
];

const SERVICES: [&str; 4] = ["arbiter", "ingest", "normalizer", "propagator"];

/// Where `make test` puts what is not ours.
fn dist() -> PathBuf {
    root().join("target/stack/dist")
}

fn helm(arguments: &[&str], values: &Path) -> Result<String> {
    let program = daybook_stack::helm(&dist()).context("helm; `make test` installs it")?;
    let chart = root().join("helm");
    run(Command::new(program).args(arguments).arg(chart).arg("-f").arg(values))
}

fn rendered(name: &str) -> Result<(String, Vec<Value>)> {
    let values = root().join(format!("helm/ci/{name}-values.yaml"));
    helm(&["lint", "--strict", "--quiet"], &values).with_context(|| format!("lint of {name}"))?;
    let text = helm(&["template", "daybook", "--namespace", "bookings"], &values)?;
    let parse = |document| Value::deserialize(document).context("a document that is YAML");
    let documents: Vec<Value> = serde_norway::Deserializer::from_str(&text).map(parse).collect::<Result<_>>()?;
    Ok((text, documents.into_iter().filter(|document| !document.is_null()).collect()))
}

fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(*key))?.as_str()
}

/// The one of this kind and name.
fn one<'v>(documents: &'v [Value], kind: &str, name: &str) -> Result<&'v Value> {
    let is = |document: &&Value| {
        text(document, &["kind"]) == Some(kind) && text(document, &["metadata", "name"]) == Some(name)
    };
    documents.iter().find(is).with_context(|| format!("there is no {kind} {name}"))
}

/// What there is, by kind.
fn kinds(documents: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut kinds = BTreeMap::<String, BTreeSet<String>>::new();
    for document in documents {
        let (kind, name) = (text(document, &["kind"]), text(document, &["metadata", "name"]));
        let (kind, name) = (kind.unwrap_or_default().to_owned(), name.unwrap_or_default().to_owned());
        kinds.entry(kind).or_default().insert(name);
    }
    kinds
}

fn scratch(name: &str) -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("daybook-chart-{}-{name}", std::process::id()));
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

#[test]
fn what_is_rendered_for_each_environment_is_what_kubernetes_knows_to_the_last_field() -> Result<()> {
    let pinned = root().join("tests/peers/kubernetes.txt");
    let python = python(&dist(), "kubernetes", &pinned)?;
    for environment in &ENVIRONMENTS {
        let (text, _) = rendered(environment.name)?;
        let file = scratch("kubernetes")?.join(format!("{}.yaml", environment.name));
        fs::write(&file, text)?;
        // With its own exit status; kinds of the Prometheus operator are not among its schemas.
        let validate = python.with_file_name("kubernetes-validate");
        let said = run(Command::new(validate).args(["--strict", "--no-warn"]).arg(&file)).context(environment.name)?;
        ensure!(said.matches("passed for resource").count() > 10, "{}: {said}", environment.name);
    }
    fs::remove_dir_all(scratch("kubernetes")?)?;
    Ok(())
}

#[test]
fn what_is_rendered_for_each_service_is_taken_by_the_service_itself() -> Result<()> {
    let directory = scratch("services")?;
    // Files that the Secrets bring.
    let key = fs::read_to_string(root().join("common/access/src/grant/test-key.pem"))?;
    let account = serde_json::json!({ "client_email": "sync@example.iam", "private_key": key, "private_key_id": "k1",
        "token_uri": "https://oauth2.example/token" });
    fs::write(directory.join("google.json"), account.to_string())?;
    for environment in &ENVIRONMENTS {
        let (_, documents) = rendered(environment.name)?;
        for service in SERVICES {
            let name = format!("daybook-{service}");
            let config = text(one(&documents, "ConfigMap", &name)?, &["data", "daybook.toml"]).context("its file")?;
            let config = config.replace("/etc/daybook/keys", &directory.display().to_string());
            let file = directory.join(format!("{service}.toml"));
            fs::write(&file, config)?;
            // The Secret, as it is mounted.
            let secrets = directory.join(format!("{}-{service}", environment.name));
            fs::create_dir_all(&secrets)?;
            let own = environment.secrets.iter().filter(|(of, _, _)| *of == service);
            let mut given: Vec<(&str, &str)> = own.map(|(_, setting, value)| (*setting, *value)).collect();
            given.push(("POSTGRES__PASSWORD", "a-password"));
            if environment.name == "full" {
                given.extend([("KAFKA__SECURITY__PASSWORD", "a-password"), ("REGISTRY__PASSWORD", "a-password")]);
            }
            if service == "normalizer" {
                given.push(("NORMALIZER__CONTACT_KEY", "0123456789abcdef0123456789abcdef"));
            }
            for (setting, value) in given {
                fs::write(secrets.join(format!("DAYBOOK__{setting}")), value)?;
            }
            let mut command = Command::new(binary(&name)?);
            command.env_clear().arg("--config").arg(&file).arg("--secrets").arg(&secrets).arg("--check-config");
            run(&mut command).with_context(|| format!("{service} of {}", environment.name))?;
        }
    }
    fs::remove_dir_all(directory)?;
    Ok(())
}

/// Beside the tests, as they were built.
fn binary(name: &str) -> Result<PathBuf> {
    let tests = std::env::current_exe()?;
    let built = tests.ancestors().nth(2).context("the directory of what was built")?.join(name);
    ensure!(built.is_file(), "{} is not built: cargo build --workspace --bins", built.display());
    Ok(built)
}

#[test]
fn what_keeps_it_standing_is_there_where_there_is_more_than_one_and_a_wall_where_it_is_wanted() -> Result<()> {
    let all = |kind: &BTreeMap<String, BTreeSet<String>>, name: &str| kind.get(name).map_or(0, BTreeSet::len);
    let [full, small, clinic] = ["full", "small", "clinic"].map(|name| rendered(name).map(|(_, all)| all));
    let (full, small, clinic) = (full?, small?, clinic?);
    for (documents, budgets, scalers, walls) in [(&full, 4, 1, 4), (&small, 0, 0, 0), (&clinic, 4, 0, 4)] {
        let kinds = kinds(documents);
        let found =
            [all(&kinds, "PodDisruptionBudget"), all(&kinds, "HorizontalPodAutoscaler"), all(&kinds, "NetworkPolicy")];
        ensure!(found == [budgets, scalers, walls], "{found:?}");
        ensure!(all(&kinds, "Deployment") == 4 && all(&kinds, "Job") == 3, "{kinds:?}");
    }
    for document in full.iter().chain(&small).chain(&clinic) {
        let (Some("Deployment"), Some(name)) = (text(document, &["kind"]), text(document, &["metadata", "name"]))
        else {
            continue;
        };
        let spec = &document["spec"]["template"]["spec"];
        ensure!(spec["securityContext"]["runAsNonRoot"] == Value::Bool(true), "{name} may run as root");
        let container = &spec["containers"][0];
        let read_only = &container["securityContext"]["readOnlyRootFilesystem"];
        ensure!(*read_only == Value::Bool(true), "{name} may write to its image");
        for probe in ["livenessProbe", "readinessProbe"] {
            ensure!(container[probe]["httpGet"]["port"].as_str() == Some("admin"), "{name} has no {probe}");
        }
        ensure!(spec["topologySpreadConstraints"][0]["maxSkew"].as_i64() == Some(1), "{name} may lie on one node");
    }
    // Whatever scales by itself does not say how many.
    ensure!(one(&full, "Deployment", "daybook-ingest")?["spec"].get("replicas").is_none());
    Ok(())
}

#[test]
fn a_wall_lets_each_service_reach_what_its_settings_name_and_vendors_only_where_there_are_some() -> Result<()> {
    let (_, documents) = rendered("clinic")?;
    for service in SERVICES {
        let name = format!("daybook-{service}");
        let egress = one(&documents, "NetworkPolicy", &name)?["spec"]["egress"].as_sequence().context("rules")?;
        let ports = egress.iter().flat_map(|rule| rule["ports"].as_sequence().into_iter().flatten());
        let ports: BTreeSet<i64> = ports.filter_map(|port| port["port"].as_i64()).collect();
        let mut expected = BTreeSet::from([53, 5432, 8081, 9092]);
        if service == "ingest" || service == "propagator" {
            expected.insert(443);
        }
        ensure!(ports == expected, "{service} reaches {ports:?}");
    }
    Ok(())
}

#[test]
fn a_value_that_nothing_knows_is_refused_by_its_name() -> Result<()> {
    let directory = scratch("typos")?;
    for (values, named) in [
        ("ingest: { replcas: 3 }", "replcas"),
        ("ingest: { autoscaling: { max: 3 } }", "max"),
        ("networkPolicy: { enable: true }", "enable"),
        ("sources: { crm: { kind: hubspot, poll: { every: 5m } } }", "every"),
        ("arbiter: { settings: { batchmax: 10 } }", "batchmax"),
    ] {
        let file = directory.join("values.yaml");
        fs::write(&file, values)?;
        let refused = helm(&["template", "daybook"], &file).err().with_context(|| format!("{values} is taken"))?;
        ensure!(format!("{refused:#}").contains(named), "{values}: {refused:#}");
    }
    fs::remove_dir_all(directory)?;
    Ok(())
}
