//! The arguments with the addresses of brokers: one argument for each kind of broker.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::broker::{ALL, Kind};

/// The given addresses.
pub(super) struct Addresses(pub(super) Vec<(&'static Kind, String)>);

impl FromArgMatches for Addresses {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |kind: &'static Kind| Some((kind, matches.get_one::<String>(kind.name)?.clone()));
        Ok(Self(ALL.into_iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Addresses {
    fn augment_args(command: Command) -> Command {
        command.args(ALL.map(|kind| {
            let address = &kind.verify.address;
            Arg::new(kind.name).long(kind.name).value_name(address.value).help(address.help)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
