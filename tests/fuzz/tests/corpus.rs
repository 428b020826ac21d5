//! Everything that is kept of fuzzing, and every fixture, once more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use daybook_fuzz::Target;

/// The engine's limit is five times as long; here other tests run beside it.
const LONGEST: Duration = Duration::from_secs(10);

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long a reader takes is what is tested")]
fn no_target_is_broken_by_what_has_ever_been_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut fixtures = Vec::new();
    for target in Target::all() {
        fixtures.extend(files(&root.join("../../normalizer/core/tests/fixtures").join(target.name())));
    }
    fixtures.retain(|file| file.extension().is_some_and(|extension| extension != "txt"));
    assert!(fixtures.len() > 100, "the fixtures are there");
    for target in Target::all() {
        let corpus = files(&root.join("corpus").join(target.name()));
        assert!(!corpus.is_empty(), "the corpus of {} is there", target.name());
        for file in corpus.iter().chain(&fixtures) {
            let bytes = fs::read(file).expect("a file");
            let began = Instant::now();
            target.check(&bytes);
            assert!(began.elapsed() < LONGEST, "{} hangs on {}", target.name(), file.display());
        }
    }
}

#[test]
fn each_target_has_a_name_of_its_own() {
    for target in Target::all() {
        assert_eq!(Target::named(target.name()), Some(target));
    }
}
