//! A crash at a chosen place, for the tests that ask what survives one. Compiled into debug builds only.

/// Ends the process after the n-th commit, before anything of it is published, if `DAYBOOK_TEST_CRASH=after_commit:n`.
#[cfg(debug_assertions)]
pub fn after_commit() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static AT: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("DAYBOOK_TEST_CRASH").ok()?.strip_prefix("after_commit:")?.parse().ok());
    static COMMITS: AtomicU64 = AtomicU64::new(0);
    if let Some(at) = *AT
        && COMMITS.fetch_add(1, Ordering::Relaxed) + 1 == at
    {
        tracing::warn!("ending the process between commit and publish, as the test asked");
        std::process::abort();
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub const fn after_commit() {}
