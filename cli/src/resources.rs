//! `daybook resources apply`: make the installation's resources what a file says.

mod apply;
mod describe;
mod file;
mod hours;
mod plan;

pub use apply::{Apply, load, run};
pub use file::{Definition, Mirror};
pub use hours::sorted;
pub use plan::Stored;
