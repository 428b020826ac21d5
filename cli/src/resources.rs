//! `daybook resources apply`: make the installation's resources what a file says.

mod apply;
mod file;
mod plan;

pub use apply::{Apply, load, run};
pub use file::{Definition, Mirror};
pub use plan::Stored;
