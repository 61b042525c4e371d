//! The limits of the sandbox, in one table.
//!
//! A row is a limit. It defines the field of [`Limits`], its default, its configuration key and range, and the class
//! and code of attempts that exceed it. Tests compare the tables of the documentation with it. The row does not say
//! where the limit is enforced.

use std::ops::RangeInclusive;
use std::time::Duration;

use cofferdam_core::outcome::{Class, Code, Failure};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;

/// A row has: what the limit counts, in the words of the documentation; variant and field; type and unit; default of a
/// plugin; default upper bound of `[sandbox.limits]`; range that the sandbox can enforce; the word in texts; class and
/// code of an attempt that exceeds it, if that ends the attempt.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+
        $limit:ident $name:ident: $type:ty as $unit:ident, $default:expr, bound $bound:expr, in $range:expr, $word:literal
        $(=> $class:ident $code:ident)?;)*) => {
        /// The limits of one attempt, and of the instance that runs it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\n", stringify!($unit), ": default ", stringify!($default), ", in ", stringify!($range), ".")]
                pub $name: $type,
            )*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: Amount::of($default),)* }
            }
        }

        impl Limits {
            /// Returns the default upper bounds of `[sandbox.limits]`.
            pub(crate) fn bounds() -> Self {
                Self { $($name: Amount::of($bound),)* }
            }

            /// Lowers each limit to that of `most`.
            pub(crate) fn within(self, most: &Self) -> Self {
                Self { $($name: self.$name.min(most.$name),)* }
            }

            /// Returns the value of `limit`, in its unit.
            pub fn get(&self, limit: Limit) -> u64 {
                match limit { $(Limit::$limit => self.$name.amount(),)* }
            }

            /// Sets `limit` to `amount` of its unit.
            pub fn set(&mut self, limit: Limit, amount: u64) {
                match limit { $(Limit::$limit => self.$name = Amount::of(amount),)* }
            }

            /// Returns the text of a failure that exceeded `limit`, with its value.
            pub(in crate::plugin) fn text(&self, limit: Limit) -> String {
                match limit { $(Limit::$limit => format!("{} limit of {:?} exceeded", $word, self.$name),)* }
            }
        }

        /// A limit of the sandbox.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit {
            $(
                $(#[doc = $doc])+
                $limit,
            )*
        }

        impl Limit {
            /// All limits, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$limit,)*];

            /// Returns the configuration key.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$limit => stringify!($name),)* }
            }

            /// Returns the unit.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$limit => Unit::$unit,)* }
            }

            /// Returns the range that the sandbox can enforce, in the unit of the limit.
            pub const fn range(self) -> RangeInclusive<u64> {
                match self { $(Self::$limit => $range,)* }
            }

            /// Returns what the limit counts, in the words of the documentation.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$limit => concat!($($doc),+).trim(),)* }
            }

            /// Returns class and code of an attempt that exceeds the limit. `None` if that does not end the attempt.
            pub const fn ends_with(self) -> Option<(Class, Code)> {
                match self { $(Self::$limit => limits!(@ends $($class $code)?),)* }
            }
        }
    };
    (@ends) => { None };
    (@ends $class:ident $code:ident) => { Some((Class::$class, Code::$code)) };
}

limits! {
    /// all memories and tables of the instance together
    Memory memory: usize as Bytes, 64 * MIB, bound 256 * MIB, in 64 * KIB..=1024 * MIB, "memory" => OutOfMemory MEMORY_LIMIT;
    /// from the call to its return, host calls included
    WallTime wall_time: Duration as Milliseconds, 5 * SECOND, bound HOUR / 4, in 1..=HOUR, "wall-time" => TimedOut TIMEOUT;
    /// CPU time of the thread that runs the plugin
    CpuTime cpu_time: Duration as Milliseconds, SECOND, bound HOUR / 4, in 1..=HOUR, "CPU-time" => TimedOut CPU_LIMIT;
    /// outputs of one message
    Outputs outputs: usize as Count, 1000, bound 100_000, in 0..=100_000, "output" => ContractBroken TOO_MANY_OUTPUTS;
    /// keys, payloads, header and attribute names and values of all outputs of one message, plus 32 bytes per header and
    /// attribute; memory for copying them is bounded too
    OutputBytes output_bytes: usize as Bytes, 4 * MIB, bound 64 * MIB, in 0..=256 * MIB, "output-byte"
        => ContractBroken OUTPUT_TOO_LARGE;
    /// the call stack of the plugin
    Stack stack: usize as Bytes, 256 * KIB, bound MIB, in 64 * KIB..=MIB, "stack" => Trapped TRAP_STACK_OVERFLOW;
    /// all tables together
    TableElements table_elements: usize as Count, 20_000, bound 100_000, in 0..=100_000, "table-element"
        => OutOfMemory TABLE_LIMIT;
    /// all calls to the host, including WASI
    HostCalls host_calls: u64 as Count, 100_000, bound 10_000_000, in 0..=1_000_000_000, "host-call"
        => ContractBroken HOST_CALL_LIMIT;
    /// stored log lines; the rest is dropped and counted
    LogLines log_lines: usize as Count, 1000, bound 100_000, in 0..=100_000, "log-line";
    /// bytes of stored log lines; the rest is dropped and counted
    LogBytes log_bytes: usize as Bytes, 256 * KIB, bound 16 * MIB, in 0..=64 * MIB, "log-byte";
}

impl Limit {
    /// Returns the failure of an attempt that exceeded this limit.
    pub(in crate::plugin) fn exceeded(self, text: impl Into<String>) -> Failure {
        let (class, code) = self.ends_with().expect("only a limit with a code ends an attempt");
        Failure::new(class, code, text)
    }
}

/// The unit of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// A number of items.
    Count,
}

/// Conversion between the type of a limit and a number of its unit. A value out of range becomes the largest number.
trait Amount {
    fn of(amount: u64) -> Self;
    fn amount(&self) -> u64;
}

impl Amount for u64 {
    fn of(amount: u64) -> Self {
        amount
    }

    fn amount(&self) -> u64 {
        *self
    }
}

impl Amount for usize {
    fn of(amount: u64) -> Self {
        Self::try_from(amount).unwrap_or(Self::MAX)
    }

    fn amount(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }
}

impl Amount for Duration {
    fn of(amount: u64) -> Self {
        Self::from_millis(amount)
    }

    fn amount(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_bounds_are_within_the_range_and_no_default_is_over_its_bound() {
        let (default, bounds) = (Limits::default(), Limits::bounds());
        for limit in Limit::ALL {
            assert!(limit.range().contains(&default.get(*limit)), "{limit:?}");
            assert!(limit.range().contains(&bounds.get(*limit)), "{limit:?}");
        }
        assert_eq!(default.clone().within(&bounds), default);
    }
}
