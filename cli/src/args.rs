//! The command tree. What a command takes is declared beside the command; here is only what it is called.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    aliases, audit, booking, brakes, compensations, conflicts, decisions, dlq, drift, explain, keys, resources,
    sources, status, sync, whatif, why,
};

/// Sets up, looks into and repairs a Daybook installation.
///
/// Settings come from built-in defaults, then `--config FILE` (TOML), then the environment:
/// DAYBOOK__KAFKA__BROKERS=broker:9092 sets `brokers` in section `kafka`. A service's own file may be given as it is.
///
/// Exit codes: 0 done, 1 failed, 2 faulty input or settings.
#[derive(Debug, Parser)]
#[command(name = "daybook", version, max_term_width = 110)]
pub struct Args {
    /// Settings (TOML); the environment (DAYBOOK__SECTION__KEY) overrides them.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the store to this version's shape.
    ///
    /// Run as the owner of the database, before the services of a new version start. Creates the four roles
    /// (daybook_arbiter, daybook_propagator, daybook_ingest, daybook_reader) and sets the passwords given under
    /// `migrate.role_passwords`. A second run changes nothing.
    ///
    /// Example:
    ///   DAYBOOK__POSTGRES__URL=postgres://daybook_owner@db:5432/daybook daybook migrate
    #[command(verbatim_doc_comment)]
    Migrate,
    /// Create Kafka's topics.
    #[command(subcommand)]
    Topics(Topics),
    /// Register the Avro schemas.
    #[command(subcommand)]
    Schemas(Schemas),
    /// Say who can be booked: agents, rooms, devices.
    #[command(subcommand)]
    Resources(Resources),
    /// Find names that no resource has.
    #[command(subcommand)]
    Aliases(Aliases),
    /// Show the whole installation on one page: what is wrong, what waits for what, and what to do.
    ///
    /// Services and their lag, the arbiter's partitions, sources, targets, dead letters, compensations. Works while Kafka or
    /// PostgreSQL is away, and says so; then it ends with exit code 1. Connects as daybook_reader.
    ///
    /// Examples:
    ///   daybook status
    ///   daybook status --json | jq -r '.findings[]'
    ///   daybook status --prometheus http://prometheus:9090
    #[command(verbatim_doc_comment)]
    Status(status::Status),
    /// Look at the calendars that are read.
    #[command(subcommand)]
    Sources(Sources),
    /// Stop what is told to a target, or what a source's API is asked.
    ///
    /// In effect within five seconds, at every process and after every restart, until somebody resumes it. Deciding goes on, and
    /// what waits is made good then: a target is told the newest state of each booking, and nothing of those between. What is under
    /// way is ended.
    ///
    /// Connects as daybook_ingest.
    ///
    /// Examples:
    ///   daybook pause target google --reason "it deletes what we write; ticket 4711"
    ///   daybook pause source outlook --reason "Microsoft throttles us"
    #[command(verbatim_doc_comment)]
    Pause(brakes::Pause),
    /// Let it go on.
    ///
    /// Example:
    ///   daybook resume target google
    #[command(verbatim_doc_comment)]
    Resume(brakes::Resume),
    /// Stop whatever is told to any target, at once.
    ///
    /// For the moment in which nobody knows yet what goes wrong. Deciding goes on. Connects as daybook_ingest.
    ///
    /// Example:
    ///   daybook freeze --reason "bookings are doubled in everybody's calendar"
    #[command(verbatim_doc_comment)]
    Freeze(brakes::Freeze),
    /// Let targets be told again.
    Thaw,
    /// List what is stopped, since when, by whom and why.
    ///
    /// Connects as daybook_reader.
    #[command(verbatim_doc_comment)]
    Paused(brakes::Paused),
    /// Say who may call the API, and for what.
    #[command(subcommand)]
    Keys(Keys),
    /// Look at a booking.
    #[command(subcommand)]
    Booking(Booking),
    /// Watch decisions.
    #[command(subcommand)]
    Decisions(Decisions),
    /// Tell why a booking is as it is, or who has a resource's time and why.
    ///
    /// One page in plain words: every sighting with its delays, from the source's clock to received, decided, written
    /// down and shown at each target; who has the time, and by which rule; what is still open. No personal data.
    ///
    /// Connects as daybook_reader.
    ///
    /// Examples:
    ///   daybook why 0f8fad5b-d9cb-569f-a165-70867728950e
    ///   daybook why anna 2026-03-04T09:15:00Z
    ///   daybook why anna "2026-03-04 10:15" --zone Europe/Berlin
    #[command(verbatim_doc_comment)]
    Why(why::Why),
    /// List what a source has promised its customer and Daybook has refused, until it is put right.
    ///
    /// Oldest first: what was promised, why it was refused, who has the time. It closes by itself once the source shows
    /// the booking gone or granted; or a person closes it. Shows what the source calls the booking, which may be
    /// personal data.
    ///
    /// Connects as daybook_reader; close as daybook_ingest.
    ///
    /// Examples:
    ///   daybook compensations --source calendly
    ///   daybook compensations close anna 0f8fad5b-d9cb-569f-a165-70867728950e --reason "moved to Thursday by phone"
    #[command(verbatim_doc_comment)]
    Compensations(Compensations),
    /// List bookings over which time is taken elsewhere, with both sides of each.
    ///
    /// What somebody entered into a calendar past Daybook, and what overlapped before there was one. Both stand until one of
    /// them is moved or cancelled at its source; then it is no longer listed.
    ///
    /// Examples:
    ///   daybook conflicts
    ///   daybook conflicts --source crm --json
    #[command(verbatim_doc_comment)]
    Conflicts(conflicts::Conflicts),
    /// List entries at targets that are not what they should be, or have calendars read back now.
    ///
    /// The propagator reads every calendar back on a schedule, puts right what differs, and leaves it alone when the same
    /// repair has not lasted three times: then it is a person's turn. What is well again is no longer listed.
    ///
    /// Connects as daybook_reader; with --now as daybook_propagator.
    ///
    /// Examples:
    ///   daybook drift
    ///   daybook drift google --json
    ///   daybook drift google --now --resource anna
    #[command(verbatim_doc_comment)]
    Drift(drift::Drift),
    /// Prove what was decided.
    #[command(subcommand)]
    Audit(Audit),
    /// Look into the dead letters, and replay them.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Tell what the normalizer would make of a payload.
    ///
    /// Each item's request, or the exact reason why there is none, with the field and the fix. Needs neither Kafka nor
    /// PostgreSQL, and sends nothing. Of the people in the payload it shows nothing but their number.
    ///
    /// Without --alias and --resources, shows which aliases would be looked up.
    ///
    /// Examples:
    ///   daybook explain --source calendly payload.json --resources resources.yaml
    ///   curl -s https://crm.example.com/event.json | daybook explain --source crm --kind generic - --alias room-7=small-room
    #[command(verbatim_doc_comment)]
    Explain(explain::Explain),
    /// Have calendars read, and bookings listed, now and not when they are due.
    ///
    /// Ingest does it, within its budget, beside whatever it does else; what has not changed since changes nothing.
    /// With --dry-run, only says what would be found.
    ///
    /// With --believe, what `daybook sources status` shows as missing is ended, if the next listing lacks it too.
    ///
    /// Connects as daybook_ingest.
    ///
    /// Examples:
    ///   daybook sync google --dry-run
    ///   daybook sync google --full
    ///   daybook sync outlook --resource anna --believe
    #[command(verbatim_doc_comment)]
    Sync(sync::Sync),
    /// Try it on events that are at hand: what would have been booked twice, refused, or left over.
    ///
    /// Reads DIR/<source>/<payload>: what webhooks have delivered, or what an API answers for calendars (google-calendar,
    /// outlook; the file is named after the calendar) and for bookings that are fetched (acuity, hubspot). Decides in this
    /// process, by the rules of the file, in the order of the sources' own clocks; sends nothing, keeps nothing, and needs
    /// neither Kafka nor PostgreSQL. Shows names that no resource has, which may be addresses.
    ///
    /// Example:
    ///   daybook whatif exports --resources resources.yaml --kind shop=generic
    #[command(verbatim_doc_comment)]
    Whatif(whatif::WhatIf),
    /// Ask a service how it is: exit code 0 if it is ready.
    ///
    /// Example:
    ///   daybook healthcheck http://127.0.0.1:9100/readyz
    #[command(verbatim_doc_comment)]
    Healthcheck {
        /// The address to ask.
        #[arg(value_name = "URL")]
        url: String,
    },
}

/// Kafka's topics.
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// Create the topics that are missing, with their settings.
    ///
    /// The shared topics, and raw.<source> for every source of the settings and for the API. What is there already is
    /// checked and left alone; another number of partitions than it must have is an error.
    ///
    /// Example:
    ///   DAYBOOK__TOPICS__REPLICATION=3 DAYBOOK__TOPICS__MIN_INSYNC_REPLICAS=2 daybook topics apply
    #[command(verbatim_doc_comment)]
    Apply,
}

/// The Avro schemas.
#[derive(Debug, Subcommand)]
pub enum Schemas {
    /// Register this version's schemas, after checking that they are compatible with all earlier ones.
    ///
    /// Every subject is set to FULL_TRANSITIVE: old and new readers read old and new records. A second run registers
    /// nothing new.
    ///
    /// Example:
    ///   DAYBOOK__REGISTRY__URL=http://registry:8081 daybook schemas apply
    #[command(verbatim_doc_comment)]
    Apply,
}

/// A file that shows everything there is.
const RESOURCES_YAML: &str = r#"The file:
  resources:
    - id: anna                      # 1 to 64 of a-z 0-9 . _ -
      time_zone: Europe/Berlin      # in which people see its times, and in which its hours are
      replacement_wait: 15m         # how long a cancellation keeps its slot for an announced replacement; 15m if left out
      capacity: 1                   # how many bookings may have the same time; 1 to 1000
      buffer_before: 5m             # kept free before each booking, up to 24h; none if left out
      buffer_after: 10m             # and after each
      notice: 2h                    # how long before its start a booking must be asked for; none if left out
      window: 60d                   # how long before its start it may be asked for at most; no limit if left out
      hours:                        # when bookings may be, in time_zone; always if left out
        mon-thu: ["09:00-12:00", "13:00-17:00"]
        fri: ["09:00-12:00"]        # or as a list: ["mon-thu 09:00-12:00 13:00-17:00", "fri 09:00-12:00"]
      region: DE                    # as whose a phone number is read that says no country; left as it is if left out
      aliases:                      # what each source calls her; e-mail addresses in any case
        calendly: ["https://api.calendly.com/users/AAAA", "anna@example.com"]
        generic: ["anna"]
      targets:                      # who mirrors her time: busy time only, unless fields say more
        calendar: { address: "/daybook/anna/", fields: [title, attendees] }
        partner: {}"#;

/// Whoever or whatever is booked.
#[derive(Debug, Subcommand)]
pub enum Resources {
    /// Make the resources what a file says.
    ///
    /// The whole file is checked first, and every fault reported at once. New or changed rules are sent to the arbiter,
    /// which decides them like any other request; once it has, regions, aliases and targets are replaced, all in one
    /// transaction. Resources that are not in the file stay as they are. The same file twice changes nothing.
    ///
    /// Connects as daybook_ingest.
    ///
    /// Example:
    ///   daybook resources apply -f resources.yaml --dry-run
    #[command(verbatim_doc_comment, after_long_help = RESOURCES_YAML)]
    Apply(resources::Apply),
}

/// Keys of the API.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and print it, this once: only its SHA-256 is kept.
    ///
    /// Standard output is the key and nothing else. It works within seconds, at every ingest.
    ///
    /// To change a caller's key: create another one for the same caller, give it to them, and revoke the old one. What the
    /// API remembers of a caller, such as its Idempotency-Keys, it remembers under the caller's name.
    ///
    /// Scopes (RESOURCES is an id, the beginning of ids with a * behind it, or * for all):
    ///   request:RESOURCES   ask for their time, and see where they are free
    ///   read:RESOURCES      read their bookings with all that is in them, and who has their time
    ///   source:NAME         follow this source's events, and replay its dead letters
    ///   admin               all of that for everything, and change resources
    ///
    /// Connects as daybook_ingest.
    ///
    /// Example:
    ///   daybook keys create booking-page --scope 'request:room-*' --scope read:room-7 --expires 90d > key
    #[command(verbatim_doc_comment)]
    Create(keys::Create),
    /// List the keys: whose, what each allows, until when. Never a secret.
    ///
    /// Example:
    ///   daybook keys list --all
    #[command(verbatim_doc_comment)]
    List(keys::List),
    /// End keys, within 5 seconds at every ingest that reaches the store.
    ///
    /// Connects as daybook_ingest.
    ///
    /// Examples:
    ///   daybook keys revoke 9f86d081884c7d65
    ///   daybook keys revoke --caller booking-page
    #[command(verbatim_doc_comment)]
    Revoke(keys::Revoke),
}

/// A booking.
#[derive(Debug, Subcommand)]
pub enum Booking {
    /// Show a booking: its time, who attends, its decisions, its way to each target.
    ///
    /// This screen shows personal data. Connects as daybook_reader.
    ///
    /// Example:
    ///   daybook booking show 0f8fad5b-d9cb-569f-a165-70867728950e
    #[command(verbatim_doc_comment)]
    Show(booking::Show),
}

/// Decisions.
#[derive(Debug, Subcommand)]
pub enum Decisions {
    /// Print each decision as it is published, until interrupted.
    ///
    /// One line a decision: decided at, partition/seq, resource, operation, outcome, booking, winner. Repeats, which a
    /// crash may leave on the topic, are dropped. Joins no consumer group, so it disturbs nobody.
    ///
    /// Examples:
    ///   daybook decisions tail --resource anna
    ///   daybook decisions tail --from-beginning --count 10 --json
    #[command(verbatim_doc_comment)]
    Tail(decisions::Tail),
}

/// Compensations.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Compensations {
    /// Which to list.
    #[command(flatten)]
    pub list: compensations::List,
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Compensation>,
}

/// Names that sources have for resources.
#[derive(Debug, Subcommand)]
pub enum Aliases {
    /// List those in dead letters that no resource has, ready to be pasted into resources.yaml.
    ///
    /// The most frequent first. Names may be addresses. Connects as daybook_reader, and reads dlq.normalizer.
    ///
    /// Example:
    ///   daybook aliases unmatched --source calendly
    #[command(verbatim_doc_comment)]
    Unmatched(aliases::Unmatched),
}

/// The calendars that are read, and the bookings that are listed.
#[derive(Debug, Subcommand)]
pub enum Sources {
    /// Show when each was read last, and what is wrong with any.
    ///
    /// By resource, those first that have waited longest. Connects as daybook_reader.
    ///
    /// Examples:
    ///   daybook sources status
    ///   daybook sources status google --json
    #[command(verbatim_doc_comment)]
    Status(sources::Status),
}

/// A compensation.
#[derive(Debug, Subcommand)]
pub enum Compensation {
    /// Close one by hand: nothing is left to do about it.
    ///
    /// Connects as daybook_ingest.
    ///
    /// Example:
    ///   daybook compensations close anna 0f8fad5b-d9cb-569f-a165-70867728950e --reason "moved to Thursday by phone"
    #[command(verbatim_doc_comment)]
    Close(compensations::Close),
}

/// Proof.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Walk the hash chain of every partition, in the store and on the topic, and hold both against each other.
    ///
    /// Each decision holds the SHA-256 of the whole one before it; seq rises by one; the log's time never falls; the
    /// columns say what the bytes say; the chain ends where arbiter_partition says; the topic has the stored bytes.
    /// Repeats on the topic, which a crash may leave, are counted. Every break is told with its place; exit code 1.
    ///
    /// Reads all of the history, and changes nothing. Connects as daybook_reader.
    ///
    /// Example:
    ///   daybook audit verify --partition 3 --store-only
    #[command(verbatim_doc_comment)]
    Verify(audit::Verify),
    /// Decide every request that Kafka still has once more, and hold the decisions against the stored ones.
    ///
    /// The same bytes, or the first difference of each partition, field by field; exit code 1. Taken as given: what was
    /// decided before the first request that is kept, what another version of the core decided, and rulings that had to
    /// be made without it. Holds one partition's bookings in memory at a time.
    ///
    /// Changes nothing. Connects as daybook_reader.
    ///
    /// Example:
    ///   daybook audit replay
    #[command(verbatim_doc_comment)]
    Replay(audit::Replay),
}

/// Dead letters.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List the dead letters of all queues, oldest first.
    ///
    /// Example:
    ///   daybook dlq list --queue normalizer --reason unknown_resource
    #[command(verbatim_doc_comment)]
    List(dlq::List),
    /// Show one dead letter: why it is one, and its headers.
    ///
    /// Example:
    ///   daybook dlq show normalizer 2:17
    #[command(verbatim_doc_comment)]
    Show(dlq::Show),
    /// Send dead letters through once more, after their cause is mended.
    ///
    /// normalizer: the original event goes back to raw.<source>. arbiter: the original request goes back to
    /// booking.requests. propagator: the delivery is taken up again, unless a newer version is wanted by now; connects
    /// as daybook_propagator. Safe to repeat: the same event makes the same requests, and a request is decided once.
    /// Who has replayed a letter is noted, as daybook_ingest; from then on the list has it with --all only.
    ///
    /// Examples:
    ///   daybook dlq replay normalizer 2:17 3:4
    ///   daybook dlq replay normalizer --all --reason unknown_resource --dry-run
    #[command(verbatim_doc_comment)]
    Replay(dlq::Replay),
    /// Say that nothing is to be done about dead letters, and why.
    ///
    /// They stay on their topic until Kafka forgets them, and the list has them with --all only. A delivery rests, until a newer
    /// version of its booking takes it on. Connects as daybook_ingest; as daybook_propagator for the propagator's.
    ///
    /// Examples:
    ///   daybook dlq discard normalizer 2:17 --because "a test of theirs"
    ///   daybook dlq discard propagator --all --target partner --because "they have left"
    #[command(verbatim_doc_comment)]
    Discard(dlq::Discard),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    /// The words of a line of shell up to a comment, a pipe or a second command; quotes taken off.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for letter in line.chars() {
            match (quote, letter) {
                (Some(open), letter) if open == letter => quote = None,
                (Some(_), letter) => word.push(letter),
                (None, '"' | '\'') => quote = Some(letter),
                (None, '#' | '|' | ';' | '>') => break,
                (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                (None, letter) => word.push(letter),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    /// What is wrong with a command, if anything is.
    fn fault(line: &str) -> Option<String> {
        let error = Args::try_parse_from(words(line)).err()?;
        let helps = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        (!helps).then(|| error.to_string())
    }

    #[test]
    fn the_commands_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_that_a_runbook_or_the_readme_gives_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut pages = vec![root.join("README.md")];
        for page in fs::read_dir(root.join("helm/runbooks")).expect("runbooks") {
            pages.push(page.expect("a runbook").path());
        }
        let (mut checked, mut faults) = (0, Vec::new());
        for path in pages {
            let text = fs::read_to_string(&path).expect("a page");
            let place = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (mut in_block, mut continued) = (false, false);
            for line in text.lines() {
                if line.starts_with("```") {
                    in_block = line == "```sh";
                } else if in_block && !continued && !line.ends_with('\\') && line.starts_with("daybook ") {
                    checked += 1;
                    faults.extend(fault(line).map(|why| format!("{place}: {line}\n{why}")));
                }
                continued = line.ends_with('\\');
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(checked > 60, "only {checked} commands were found");
    }
}
