//! `daybook whatif`: what would have come of events that are at hand, in this process alone. The normalizer's pure half reads
//! them, the arbiter's decides; Kafka and PostgreSQL are not asked.

mod page;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use daybook_domain::{SourceName, normal_alias};
use daybook_format::{FETCHED, Format, POLLED};
use daybook_runtime::clock;

use self::trial::{Export, Trial};
use crate::config::Config;
use crate::explain;
use crate::failure::Failure;
use crate::input;
use crate::out::Out;
use crate::resources;

/// See [`crate::args`].
#[derive(Debug, clap::Args)]
pub struct WhatIf {
    /// A directory with one for each source, and in that its payloads: a file each, or a line each in files that end in .jsonl.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Who can be booked, and what each source calls them: a file as `daybook resources apply` reads it.
    #[arg(long, value_name = "FILE")]
    resources: PathBuf,
    /// What a source sends, where neither its name nor the settings say; may be repeated.
    #[arg(long, value_name = "SOURCE=KIND", value_parser = kind)]
    kind: Vec<(SourceName, String)>,
}

fn kind(text: &str) -> Result<(SourceName, String), String> {
    let (source, kind) = text.split_once('=').ok_or("write SOURCE=KIND")?;
    let source = source.parse().map_err(|error| format!("the source's name {error}"))?;
    Ok((source, kind.to_owned()))
}

/// Tries it, and prints what came of it.
pub fn run(args: &WhatIf, config: &Config, out: &Out) -> Result<(), Failure> {
    let definitions = resources::load(&args.resources)?;
    let (key, _) = explain::contact_key(config)?;
    let exports = exports(args, config)?;
    if exports.is_empty() {
        let directory = args.directory.display();
        return Err(Failure::input(format!(
            "{directory} has no payloads; make a directory in it for each source, such as {directory}/calendly/1.json"
        )));
    }
    let trial = Trial::run(&definitions, &exports, &key, clock::now());
    out.text(page::page(&trial))
}

/// Every payload, source by source and file by file, in the order of their names.
fn exports(args: &WhatIf, config: &Config) -> Result<Vec<Export>, Failure> {
    let mut exports = Vec::new();
    for directory in entries(&args.directory)?.into_iter().filter(|path| path.is_dir()) {
        let name = name(&directory);
        let source: SourceName = name.parse().map_err(|error| {
            Failure::input(format!(
                "{}: a directory is named as its source, and this name {error}",
                directory.display()
            ))
        })?;
        let told = args.kind.iter().find(|(of, _)| *of == source).map(|(_, kind)| kind.as_str());
        let format = explain::format_of(&source, told, config)?;
        for file in entries(&directory)?.into_iter().filter(|path| path.is_file()) {
            let bytes = input::read(&file)?;
            let export = |at: String, body: Vec<u8>| Export {
                source: source.clone(),
                subject: calendar(&format, &file),
                told: told_by(&format),
                format: format.clone(),
                at,
                body,
            };
            let path = format!("{}/{}", source, self::name(&file));
            if file.extension().is_some_and(|end| end == "jsonl" || end == "ndjson") {
                let lines = bytes.split(|byte| *byte == b'\n').enumerate();
                let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
                exports.extend(lines.map(|(at, line)| export(format!("{path}:{}", at + 1), line.to_vec())));
            } else {
                exports.push(export(path, bytes));
            }
        }
    }
    Ok(exports)
}

/// What is there of a source whose bookings are fetched, or whose calendars are read, is what its API answers.
fn told_by(format: &Format) -> &'static str {
    if format.has_calendars() {
        return POLLED;
    }
    let fetched = matches!(format, Format::Described(description) if description.fetch.is_some());
    if fetched { FETCHED } else { "" }
}

/// A file of a calendar is named after it.
fn calendar(format: &Format, file: &Path) -> Option<String> {
    if !format.has_calendars() {
        return None;
    }
    Some(normal_alias(&file.file_stem()?.to_string_lossy()))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a directory holds, by name, without what is hidden.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error| Failure::input(format!("cannot read {}: {error}", directory.display()));
    let entries = fs::read_dir(directory).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}
