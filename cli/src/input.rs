//! What a person hands over: a file, or standard input.

use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// The bytes of a file; of standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error| Failure::input(format!("cannot read {}: {error}", path.display()));
    if path != Path::new("-") {
        return std::fs::read(path).map_err(fail);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}
