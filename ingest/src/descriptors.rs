//! File descriptors: each connection needs one, and a shell grants a thousand unless it is asked.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// For everything that is no caller's connection: brokers, the store, logs, the listeners.
const KEPT: u64 = 256;

/// Raises this process's limit as far as it may. Comes back with how many of `wanted` connections it suffices for.
pub fn room_for(wanted: usize) -> usize {
    let needed = wanted as u64 + KEPT;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((needed, needed));
    let raised = needed.min(hard).max(soft);
    let limit = if raised == soft || setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() { raised } else { soft };
    let room = usize::try_from(limit.saturating_sub(KEPT)).unwrap_or(usize::MAX).clamp(1, wanted);
    if room < wanted {
        tracing::warn!(
            wanted,
            room,
            "fewer connections than ingest.connections_max: raise this process's limit of open files"
        );
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_raised_and_what_is_not_is_made_do_with() {
        assert_eq!(room_for(1), 1);
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let wanted = usize::try_from(hard.saturating_sub(KEPT)).unwrap_or(usize::MAX).min(5_000);
        assert_eq!(room_for(wanted), wanted);
    }
}
