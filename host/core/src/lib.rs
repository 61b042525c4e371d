//! The delivery rules.
