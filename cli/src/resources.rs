//! `daybook resources apply`: make the installation's resources what a file says.

mod apply;
mod plan;

pub use apply::{Apply, load, run};
