//! Write Cofferdam message handlers in Rust: one function, and a line that makes a plugin of it.
//!
//! ```
//! use cofferdam_sdk::{Failure, Message, Output};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     total: u64,
//! }
//!
//! fn handle(message: Message) -> Result<Vec<Output>, Failure> {
//!     let order: Order = message.json()?; // not JSON, or not an order: permanent VALIDATION_ERROR
//!     if order.total == 0 {
//!         return Ok(vec![]);
//!     }
//!     Ok(vec![Output::json("billable", &order.total)?.attribute("type", "com.example.bill.due")])
//! }
//!
//! cofferdam_sdk::handler!(handle);
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-wasip2` as a `cdylib`, that is a plugin. Built natively it is a plain function:
//! [`mod@test`] makes messages for it and stands in for configuration, key-value store, other hosts and log.

pub mod config;
pub mod http;
pub mod keyvalue;
pub mod log;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
#[cfg(not(target_family = "wasm"))]
pub mod test;

mod failure;
mod message;
mod output;

pub use failure::{Failure, FailureKind, MAX_CODE_CHARACTERS};
pub use message::{Header, Message};
pub use output::Output;

/// Makes a plugin of a function `fn(Message) -> Result<Vec<Output>, Failure>`.
///
/// Call it once in the crate, at its top level. Natively it only checks the type of the function, so that
/// `cargo test` runs without WebAssembly.
#[macro_export]
macro_rules! handler {
    ($handle:path) => {
        const _: fn($crate::Message) -> ::core::result::Result<::std::vec::Vec<$crate::Output>, $crate::Failure> =
            $handle;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;
            impl $crate::bindings::Guest for Plugin {
                fn handle(
                    message: $crate::bindings::Message,
                ) -> ::core::result::Result<::std::vec::Vec<$crate::bindings::Output>, $crate::bindings::Failure>
                {
                    $crate::bindings::run($handle, message)
                }
            }
    $crate::bindings::export!(Plugin with_types_in $crate::bindings);
        };
    };
}

/// Makes a plugin of a function `fn(Vec<Message>) -> Vec<Result<Vec<Output>, Failure>>`, which has a result for each message,
/// in their order. The host gives it one message or several, as they come.
///
/// Call it once in the crate, at its top level, and not beside [`handler!`]. Natively it only checks the type.
#[macro_export]
macro_rules! batch_handler {
    ($handle:path) => {
        const _: fn(
            ::std::vec::Vec<$crate::Message>,
        ) -> ::std::vec::Vec<::core::result::Result<::std::vec::Vec<$crate::Output>, $crate::Failure>> = $handle;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Plugin;
            impl $crate::bindings::Guest for Plugin {
                fn handle(
                    message: $crate::bindings::Message,
                ) -> ::core::result::Result<::std::vec::Vec<$crate::bindings::Output>, $crate::bindings::Failure>
                {
                    $crate::bindings::run_batch_of_one($handle, message)
                }
            }
            impl $crate::bindings::batch::Guest for Plugin {
                fn handle_batch(
                    messages: ::std::vec::Vec<$crate::bindings::Message>,
                ) -> ::std::vec::Vec<
                    ::core::result::Result<::std::vec::Vec<$crate::bindings::Output>, $crate::bindings::Failure>,
                > {
                    $crate::bindings::run_batch($handle, messages)
                }
            }
    $crate::bindings::export!(Plugin with_types_in $crate::bindings);
    $crate::bindings::batch::export!(Plugin with_types_in $crate::bindings::batch);
        };
    };
}
