//! Thousands of seeds; the same seed twice; and bugs, to judge the judge by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daybook_runtime::clock;

use super::bug::{self, Bug};
use super::judge::judge;
use super::listener::Listener;
use super::stage::Stage;
use super::world::{Complaint, Kind, Sim};

/// How many seeds may fail before no more are tried.
const FAILURES: usize = 10;

/// What came of a seed.
struct Run {
    complaints: Vec<Complaint>,
    count: BTreeMap<String, u64>,
    trace: Vec<String>,
}

fn run(seed: u64, traced: bool) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let sim = runtime.block_on(async {
        let sim = Sim::new(seed, traced);
        let _listening = traced.then(|| tracing::subscriber::set_default(Listener(sim.clone())));
        Stage::new(&sim).play().await;
        sim
    });
    drop(runtime);
    let mut world = sim.world();
    let complaints = judge(&world);
    Run { complaints, count: std::mem::take(&mut world.count), trace: world.trace.take().unwrap_or_default() }
}

fn failure(seed: u64, run: &Run) -> String {
    let complaints: Vec<String> = run.complaints.iter().map(ToString::to_string).collect();
    format!("SEED={seed}\n{}", complaints.join("\n"))
}

/// Runs seeds on all cores until there are enough, it is too late, or some fail. Says what has happened how often.
fn campaign(first: u64, seeds: u64, limit: Duration) -> BTreeMap<String, u64> {
    let (next, began) = (AtomicU64::new(first), Instant::now());
    let (count, failures) = (Mutex::new(BTreeMap::<String, u64>::new()), Mutex::new(Vec::new()));
    let work = || {
        while began.elapsed() < limit && failures.lock().expect("no panic").len() < FAILURES {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= seeds {
                break;
            }
            let run = run(seed, false);
            if !run.complaints.is_empty() {
                failures.lock().expect("no panic").push(failure(seed, &run));
            }
            let mut count = count.lock().expect("no panic");
            for (what, times) in run.count.into_iter().chain([("seeds".to_owned(), 1)]) {
                *count.entry(what).or_default() += times;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    count.into_inner().expect("no panic")
}

/// What people read who have asked for it.
#[allow(clippy::print_stdout, reason = "of a test, which shows it when it fails or is asked to")]
fn say(what: &str) {
    println!("{what}");
}

#[test]
fn the_loop_survives_every_seed() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        let run = run(seed, true);
        say(&run.trace.join("\n"));
        assert!(run.complaints.is_empty(), "{}", failure(seed, &run));
        return;
    }
    let count = match std::env::var_os("DAYBOOK_SOAK") {
        None => campaign(0, 2_000, Duration::from_secs(120)),
        // Others each time.
        Some(_) => campaign(clock::now().millis().unsigned_abs(), u64::MAX, Duration::from_secs(600)),
    };
    say(&format!("{count:#?}"));
    // Fewer than are asked for only on a machine that is busy with something else.
    assert!(count["seeds"] >= 300, "no more than {} seeds", count["seeds"]);
    let crashes = count.keys().filter(|what| what.starts_with("crash at")).count();
    assert!(crashes >= 25, "crashes at {crashes} of the awaits only");
    for what in [
        "canonical mended",
        "claims",
        "constraint fired",
        "decided again",
        "expire requests",
        "fences",
        "follow-ups",
        "freezes",
        "ghosts",
        "late writes of the dead",
        "no room",
        "planned",
        "produced, but an error",
        "repeats",
        "restores",
        "revocations",
        "told again",
        "unknown: committed",
        "unknown: committed late",
        "unknown: not committed",
        "usurpations",
        "waits for a lock",
    ] {
        assert!(count.get(what).is_some_and(|times| *times > 0), "no seed has tested: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..=10 {
        let (first, second) = (run(seed, true), run(seed, true));
        // What is logged is heard as long as no other test's thread has turned that line off meanwhile.
        let events = |trace: Vec<String>| -> Vec<String> {
            let is_logged = |line: &String| [" WARN: ", " ERROR: ", " INFO: "].iter().any(|level| line.contains(level));
            trace.into_iter().filter(|line| !is_logged(line)).collect()
        };
        let (first, second) = (events(first.trace), events(second.trace));
        assert!(first.len() > 50);
        let differ = first.iter().zip(&second).find(|(one, other)| one != other);
        assert_eq!(differ, None, "SEED={seed}");
        assert_eq!(first.len(), second.len(), "SEED={seed}");
    }
}

/// Runs seeds with a bug until the judge says what is wrong.
fn caught(bug: Bug, by: Kind) {
    const SEEDS: u64 = 400;
    let mut others = BTreeSet::new();
    for seed in 0..SEEDS {
        let run = bug::with(Some(bug), || run(seed, false));
        if run.complaints.iter().any(|complaint| complaint.kind == by) {
            say(&format!("{bug:?}: {by:?} of seed {seed}, before that {others:?}"));
            return;
        }
        others.extend(run.complaints.iter().map(|complaint| complaint.kind));
    }
    panic!("{bug:?} was not caught as {by:?} by {SEEDS} seeds, only as {others:?}");
}

#[test]
fn each_seeded_bug_is_caught() {
    caught(Bug::NoFence, Kind::StaleOwner);
    caught(Bug::FenceLast, Kind::DeadLetter);
    caught(Bug::OffsetFirst, Kind::Undecided);
    caught(Bug::NoDedupe, Kind::DecidedTwice);
    caught(Bug::CacheKept, Kind::Replay);
    caught(Bug::BlindRetry, Kind::FalseFence);
    caught(Bug::Touching, Kind::RefusedForNothing);
    caught(Bug::CancelAndBook, Kind::FreedEarly);
    caught(Bug::NoRecovery, Kind::Published);
    caught(Bug::NoLastWord, Kind::Canonical);
}
