//! Datagrams to authenticated records and back: RFC 6347 section 4.1.
//!
//! ```text
//!  datagram ─ split on headers ─▶ Inbound: epoch? ▶ replay check ▶ open in place ▶ replay accept ─▶ Opened
//!  payload ─▶ Outbound: next number of the epoch ▶ header, nonce room, payload, tag room ▶ seal in place ─▶ datagram
//! ```
//!
//! What cannot be authenticated is a [`Discard`](crate::Discard): it is counted and has no other effect whatsoever,
//! which is why it cannot be turned into an error.

mod inbound;
mod outbound;
mod padding;
mod replay;

pub(crate) use inbound::{HeldRecord, Identified, Inbound, Opened, ReadLimits, ReadProgress};
pub(crate) use outbound::{Outbound, SealFault, Wrapping, WriteProgress};
pub use padding::{ChoosePadding, Padding};
pub(crate) use replay::ReplayWindow;
