//! Payloads of the vendors' real shapes, written by us, through both steps; and payloads of no shape at all.

mod fixtures;
mod identity;
mod malformed;
mod moves;
mod questions;
mod robustness;
mod tags;
mod world;
