//! Where randomness comes from: one seed, printed, and given again by `SEED=…`.

use std::io::Write as _;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// The seed of this run, said once for each `purpose`, so that a failure can be played again.
pub fn seed(purpose: &str) -> u64 {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.trim().parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    };
    // To the terminal itself: a captured line would be lost with a process that is killed.
    let _ = writeln!(std::io::stderr(), "seed of {purpose}: {seed} (SEED={seed} plays it again)");
    seed
}

/// A generator of its own for each purpose, so that one more draw here changes nothing there.
pub fn generator(seed: u64, stream: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A short word that no other run has: names made with it do not meet those of earlier runs on the same stack.
pub fn unique_word() -> String {
    word(&mut StdRng::seed_from_u64(rand::random()), 5)
}

/// A word of `length` letters and digits that nobody takes for another (no vowels, no 0 and 1), beginning with a letter.
pub fn word(generator: &mut StdRng, length: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz23456789";
    let mut draw = |below: usize| {
        let at = usize::try_from(generator.next_u64() % below as u64).unwrap_or_default();
        char::from(LETTERS[at])
    };
    let first = draw(19);
    std::iter::once(first).chain((1..length).map(|_| draw(LETTERS.len()))).collect()
}
