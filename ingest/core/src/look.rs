//! What callers of the API may ask to see, read strictly: every fault at once, each with the field and the fix.
//!
//! In: a query or a body. Out: a question that can be answered within bounds, or faults. Absent on purpose: what the answer
//! is, and whether the caller may have it.

mod cursor;
mod fields;
mod page;
mod times;

pub use cursor::Cursor;
pub use fields::Fields;
pub use page::{BookingFilter, Status};
pub use times::{FreeBusy, Times};
