//! `daybook keys`: who may call the API, and for what.

mod create;
mod list;
mod revoke;

pub use create::{Create, create};
pub use list::{List, list};
pub use revoke::{Revoke, revoke};
