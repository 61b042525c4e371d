//! Profiles: the names and bytes of the reasons in a dead letter.
//!
//! A profile is one file. It says which headers carry which of the [`Reasons`], and reads them back; the rest of the host
//! knows no header name of a dead letter. How a sink makes room for the headers, such as the ten attributes of a message on
//! SQS, is a matter of the sink.

pub mod cofferdam;

use std::fmt;

use super::reasons::Reasons;
use crate::message::Headers;
use crate::output::Layout;

/// The headers in which dead letters carry their reasons.
///
/// What `write` adds to the headers of a letter, `read` finds again. The headers of the original are there too, but none of
/// them is reserved: the host renames those before it calls `write` (see `own`), so an original cannot forge a
/// reason.
pub trait Profile: fmt::Debug + Sync {
    /// Adds the reasons to the headers of a letter of this layout, and nothing where there are none.
    fn write(&self, reasons: &Reasons, layout: Layout, headers: &mut Headers);

    /// Takes the headers that [`Profile::write`] made out of the headers of a letter of this layout. `None` if there are
    /// none. Parts that it cannot read are left out, never refused.
    fn read(&self, layout: Layout, headers: &mut Headers) -> Option<Reasons>;

    /// Whether only the host may write headers of this name into a letter: each name that `read` takes, in any letter case.
    fn is_reserved(&self, name: &[u8]) -> bool;
}

#[cfg(test)]
pub(crate) mod tests;
