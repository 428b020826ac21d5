//! Settings that are read again while a service runs: a secret that is rotated needs no restart.
//!
//! Owns: what may change without one is in a [`Held`], and everybody who has a clone sees the change with the next use; settings that have
//! become faulty change nothing. Absent on purpose: variables of the environment, which nobody can change from outside.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::config::{self, Origin};
use crate::service::{Service, ServiceConfig};

/// How often it is looked whether anything has changed.
const LOOK: Duration = Duration::from_secs(5);

/// What may become something else: each clone is the same.
pub struct Held<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T> Held<T> {
    /// What it is at first.
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// What it is now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it is what `other` is now.
    pub fn become_as(&self, other: &Self) {
        let new = other.get();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

/// Looks until shutdown whether the settings have changed, and if so, hands them to `take`. `files` are those that they name and that are
/// read with them. Nothing is done for a service that has its settings from the environment alone.
pub fn watch<C: ServiceConfig + Send + 'static>(
    service: &Service,
    config: &C,
    files: fn(&C) -> Vec<PathBuf>,
    mut take: impl FnMut(&C) + Send + 'static,
) {
    let origin = service.origin.clone();
    if origin.file.is_none() && origin.secrets.is_none() {
        return;
    }
    let (refused, shutdown) = (service.metrics.settings_refused.clone(), service.life.shutdown().clone());
    let (mut named, mut shown) = (files(config), format!("{config:?}"));
    // What was read at the start may have changed since: the first look is as good as a change.
    let mut seen = None;
    // What is faulty is read again each time: what it lacks may be a file that is not looked at, since nothing sound names it.
    let mut faulty: Option<String> = None;
    service.life.spawn("watch on settings", async move {
        while !shutdown.is_cancelled() {
            let (origin, also) = (origin.clone(), named.clone());
            let again = faulty.is_some();
            let look = move || {
                let now = digest(&origin, &also);
                (again || seen != Some(now)).then(|| (now, config::load::<C>(&origin)))
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(None) => {}
                Ok(Some((now, read))) => {
                    refused.set(i64::from(read.is_err()));
                    match read {
                        Ok(fresh) => {
                            take(&fresh);
                            let text = format!("{fresh:?}");
                            say(seen.is_none(), text == shown);
                            (named, shown, faulty) = (files(&fresh), text, None);
                        }
                        Err(faults) => {
                            let text = faults.to_string();
                            if faulty.as_ref() != Some(&text) {
                                tracing::error!(
                                    %faults,
                                    "settings have changed and are faulty: those before go on counting, and the next start would fail"
                                );
                            }
                            faulty = Some(text);
                        }
                    }
                    seen = Some(now);
                }
                Err(_) => tracing::error!("reading settings again panicked; they are looked at again"),
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok::<(), Infallible>(())
    });
}

/// What is printed of settings has no secrets: where that is the same, nothing else has changed.
fn say(first: bool, only_secrets: bool) {
    match (first, only_secrets) {
        (_, false) => tracing::warn!(
            "settings have changed that are no secrets: those hold from the next start, and with them the credentials of whatever has another address now"
        ),
        (false, true) => tracing::info!(
            "secrets were read again: those of sources and targets hold from now on, others from the next start"
        ),
        (true, true) => {}
    }
}

/// Of everything that settings are read from. What cannot be read is as good as empty: whoever reads it says so.
fn digest(origin: &Origin, files: &[PathBuf]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for file in origin.file.iter().chain(files) {
        put(&fs::read(file).unwrap_or_default());
    }
    for (key, text) in origin.secrets.as_deref().map(secrets).into_iter().flatten() {
        put(key.as_bytes());
        put(text.as_bytes());
    }
    hash.finalize().into()
}

fn secrets(directory: &Path) -> Vec<(String, String)> {
    config::secrets(directory).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_clone_sees_what_it_has_become() {
        let (held, fresh) = (Held::new(1), Held::new(2));
        let clone = held.clone();
        let before = clone.get();
        held.become_as(&fresh);
        assert_eq!((*before, *clone.get()), (1, 2));
    }

    #[test]
    fn a_change_of_any_file_that_settings_come_from_is_one_of_the_digest() {
        let place = std::env::temp_dir().join(format!("daybook-reread-{}", std::process::id()));
        fs::create_dir_all(place.join("secrets")).expect("a directory");
        let (file, key) = (place.join("daybook.toml"), place.join("key.json"));
        let origin = Origin { file: Some(file.clone()), secrets: Some(place.join("secrets")) };
        let secret = place.join("secrets/DAYBOOK__A__B");
        let mut seen = vec![digest(&origin, std::slice::from_ref(&key))];
        for written in [&file, &key, &secret] {
            fs::write(written, "x").expect("written");
            let now = digest(&origin, std::slice::from_ref(&key));
            assert!(!seen.contains(&now), "{}", written.display());
            seen.push(now);
        }
        fs::write(place.join("secrets/tls.crt"), "x").expect("written");
        assert_eq!(seen.last(), Some(&digest(&origin, &[key])), "nobody's setting");
        fs::remove_dir_all(&place).expect("removed");
    }
}
