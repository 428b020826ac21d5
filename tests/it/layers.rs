//! The rules of the workspace that no compiler checks: who may depend on whom, and that each thing is said in one place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use daybook_domain::topics;
use daybook_wire::SCHEMAS;

/// The crates that do no I/O.
const PURE: [&str; 10] = [
    "daybook-access",
    "daybook-ask",
    "daybook-domain",
    "daybook-format",
    "daybook-icalendar",
    "daybook-wire",
    "arbiter-core",
    "daybook-ingest-core",
    "daybook-normalizer-core",
    "daybook-propagator-core",
];
/// What would let them.
const EFFECTS: [&str; 7] = ["tokio", "rdkafka", "sqlx", "reqwest", "prometheus", "tracing-subscriber", "axum"];
/// The services.
const SERVICES: [&str; 4] = ["daybook-ingest", "daybook-normalizer", "daybook-arbiter", "daybook-propagator"];
/// The one edge between two of them: what is free is said by the rules themselves, which are pure.
const ASKS_THE_RULES: (&str, &str) = ("daybook-ingest", "arbiter-core");

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a package lies in the workspace")
}

/// The names of everything that a package is built with.
fn dependencies(package: &str) -> Result<BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "tree",
        "--quiet",
        "--locked",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{lib}",
        "--package",
    ]);
    let output = cargo.arg(package).current_dir(root()).output().context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let names: BTreeSet<String> =
        String::from_utf8(output.stdout)?.lines().map(|line| line.trim().replace('_', "-")).collect();
    ensure!(names.contains("serde") || names.contains("uuid"), "{package}: this is no tree: {names:?}");
    Ok(names)
}

/// Every file below the workspace with this ending, but what is built or downloaded.
fn files(ending: &str) -> Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![root().to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "there is no .{ending} file");
    found.sort();
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn what_decides_cannot_do_input_or_output() -> Result<()> {
    for package in PURE {
        let names = dependencies(package)?;
        let effects: Vec<&str> = EFFECTS.into_iter().filter(|effect| names.contains(*effect)).collect();
        ensure!(effects.is_empty(), "{package} is built with {effects:?}");
    }
    // The names are those that cargo uses, or the check above would never find one.
    let shell = dependencies("daybook-runtime")?;
    ensure!(["tokio", "rdkafka", "sqlx", "prometheus"].iter().all(|name| shell.contains(*name)), "{shell:?}");
    Ok(())
}

#[test]
fn services_are_joined_by_topics_and_never_by_each_others_code() -> Result<()> {
    for service in SERVICES {
        let names = dependencies(service)?;
        let own = service.trim_start_matches("daybook-");
        for other in SERVICES.into_iter().filter(|other| *other != service) {
            let other_core = match other {
                "daybook-arbiter" => "arbiter-core".to_owned(),
                _ => format!("{other}-core"),
            };
            for linked in [other.to_owned(), other_core] {
                if (service, linked.as_str()) == ASKS_THE_RULES {
                    continue;
                }
                ensure!(!names.contains(&linked), "{own} is built with {linked}");
            }
        }
        ensure!(names.contains("daybook-domain"), "{own} does not speak the domain's words");
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_left_unfinished() -> Result<()> {
    let mut wrong = Vec::new();
    for path in files("rs")? {
        let text = std::fs::read_to_string(&path)?;
        if !text.starts_with("//! ") {
            wrong.push(format!("{} has no module documentation", shown(&path)));
        }
        for left in ["todo", "dbg", "unimplemented"] {
            // Put together, so that this file does not hold it.
            let left = format!("{left}!(");
            if text.contains(&left) {
                wrong.push(format!("{} holds {left}", shown(&path)));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_test_is_run_and_none_of_them_sleeps() -> Result<()> {
    let ignore = format!("#[{}", "ignore");
    let sleep = format!("thread::{}(", "sleep");
    let ours = files("rs")?.into_iter().filter(|path| shown(path).starts_with("tests/"));
    for path in ours {
        let text = std::fs::read_to_string(&path)?;
        ensure!(!text.contains(&ignore), "{} holds an ignored test", shown(&path));
        ensure!(!text.contains(&sleep), "{} sleeps", shown(&path));
    }
    Ok(())
}

#[test]
fn the_schemas_in_the_directory_are_those_that_are_registered_and_those_that_topics_name() -> Result<()> {
    // Those of earlier versions, which today's code must still read, lie beside its tests.
    let is_old = |path: &String| path.starts_with("common/wire/tests/fixtures/");
    let in_directory: BTreeSet<String> =
        files("avsc")?.iter().map(|path| shown(path)).filter(|path| !is_old(path)).collect();
    let named: BTreeSet<(String, String)> = topics::all(&[])
        .into_iter()
        .filter_map(|topic| topic.schema)
        .map(|(subject, file)| (subject.to_owned(), format!("avro/{file}")))
        .collect();
    let files: BTreeSet<String> = named.iter().map(|(_, file)| file.clone()).collect();
    ensure!(files == in_directory, "topics name {files:?}, and there are {in_directory:?}");
    for (subject, file) in &named {
        let text = std::fs::read_to_string(root().join(file))?;
        let registered = SCHEMAS.iter().find(|(name, _)| name == subject);
        let (_, registered) = registered.with_context(|| format!("{subject} is not registered"))?;
        ensure!(*registered == text, "what is registered for {subject} is not {file}");
    }
    ensure!(SCHEMAS.len() == named.len(), "{} are registered, and topics name {}", SCHEMAS.len(), named.len());
    Ok(())
}

#[test]
fn the_name_of_a_topic_is_written_in_one_place() -> Result<()> {
    // A topic's name is written once, in the domain: whoever writes it again would miss a change of it.
    let ours = files("rs")?.into_iter().filter(|path| {
        let shown = shown(path);
        shown.contains("/src/") && !shown.starts_with("tests/") && !shown.ends_with("tests.rs")
    });
    let mut wrong = Vec::new();
    for path in ours.filter(|path| !path.ends_with("common/domain/src/topics.rs")) {
        let text = std::fs::read_to_string(&path)?;
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code: String = code.take_while(|line| !line.starts_with("#[cfg(test)]")).collect::<Vec<_>>().join("\n");
        for topic in topics::all(&[]) {
            if code.contains(&format!("\"{}\"", topic.name)) {
                wrong.push(format!("{} writes \"{}\" itself", shown(&path), topic.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn ports_and_roles_are_the_same_in_the_services_own_defaults_in_compose_and_in_the_chart() -> Result<()> {
    let read = |path: String| std::fs::read_to_string(root().join(&path)).context(path);
    let compose = read("docker-compose.yml".to_owned())?;
    for (service, role) in
        [("ingest", "ingest"), ("normalizer", "reader"), ("arbiter", "arbiter"), ("propagator", "propagator")]
    {
        let defaults = read(format!("{service}/defaults.toml"))?;
        let own = section(&compose, &format!("\n  {service}:\n"), "\n  ").context("it is in compose")?;
        let chart = read(format!("helm/templates/{service}.yaml"))?;
        let mut ports = vec![port(&defaults, "admin").with_context(|| format!("{service}'s [admin] listen"))?];
        ports.extend(port(&defaults, service));
        ensure!(ports.len() == if service == "ingest" { 2 } else { 1 }, "{service} listens on {ports:?}");
        for port in ports {
            let listen = format!("0.0.0.0:{port}");
            ensure!(own.contains(&listen) && own.contains(&format!("-{port}}}:{port}")), "compose: {service}, {port}");
            ensure!(chart.contains(&listen), "helm/templates/{service}.yaml does not listen on {port}");
        }
        let url = format!("postgres://daybook_{role}@");
        ensure!(own.contains(&url) && defaults.contains(&url), "{service} does not connect as daybook_{role}");
    }
    Ok(())
}

#[test]
fn the_readme_names_every_topic() -> Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let sources = ["calendly".parse()?, "generic".parse()?];
    let missing: Vec<String> = topics::all(&sources)
        .into_iter()
        .map(|topic| if topic.name.starts_with("raw.") { "raw.<source>".to_owned() } else { topic.name })
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    ensure!(missing.is_empty(), "the README does not name {missing:?}");
    Ok(())
}

/// What stands in `text` between `head` and the next thing of the same depth.
fn section<'a>(text: &'a str, head: &str, depth: &str) -> Option<&'a str> {
    let begin = text.find(head)? + head.len();
    let rest = &text[begin..];
    let ends = rest
        .match_indices(depth)
        .find(|(at, _)| rest[at + depth.len()..].chars().next().is_some_and(|next| next != ' ' && next != '#'));
    Some(ends.map_or(rest, |(at, _)| &rest[..at]))
}

/// The port of `listen = "…:port"` in a section of a TOML file.
fn port(toml: &str, table: &str) -> Option<u16> {
    let lines = toml.lines().skip_while(|line| *line != format!("[{table}]")).skip(1);
    let mut own = lines.take_while(|line| !line.starts_with('['));
    let listen = own.find(|line| line.starts_with("listen = "))?;
    listen.trim_end_matches('"').rsplit(':').next()?.parse().ok()
}
