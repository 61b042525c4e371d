//! The contracts that a plugin can be built for. Each converts messages to parameters and results to outputs in its own way.
//! All are converted to the newest one: it takes a message and returns outputs, or a failure.

mod broker_message;
mod incoming_handler;
pub(super) mod lift;
pub(super) mod lower;

use std::sync::Arc;

use cofferdam_core::message::Message;
use cofferdam_core::outcome::Failure;
use cofferdam_core::output::Output;
use wasmtime::Store;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, Linker, Resource, TypedFunc};

use crate::plugin::host::state::State;
use broker_message::BrokerMessage;
use lift::Answer;
use lower::MessageParameter;

/// A contract in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The contract of Cofferdam.
    Cofferdam01,
    /// `wasi:messaging@0.2.0-draft`: a message is a resource, and the handler sends messages through a producer.
    WasiMessaging,
    /// The same contract under another name, as in wasmCloud 1. (The contract of wasmCloud 2 has the same number, but
    /// differs and requires async.)
    Wasmcloud03,
    /// Messages with subjects; the handler publishes messages through a consumer.
    Wasmcloud02,
}

impl Contract {
    /// All contracts. If a component exports several, the first applies.
    pub const ALL: [Self; 4] = [Self::Cofferdam01, Self::WasiMessaging, Self::Wasmcloud03, Self::Wasmcloud02];

    /// The name of the package, with the version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cofferdam01 => "cofferdam:plugin@0.1",
            Self::WasiMessaging => "wasi:messaging@0.2.0-draft",
            Self::Wasmcloud03 => "wasmcloud:messaging@0.3",
            Self::Wasmcloud02 => "wasmcloud:messaging@0.2",
        }
    }

    /// The interface that identifies the contract, and its handler function.
    pub(super) const fn export(self) -> (&'static str, &'static str) {
        match self {
            Self::Cofferdam01 => ("cofferdam:plugin/handler@0.1.0", "handle"),
            Self::WasiMessaging => ("wasi:messaging/incoming-handler@0.2.0-draft", "handle"),
            Self::Wasmcloud03 => ("wasmcloud:messaging/incoming-handler@0.3.0", "handle"),
            Self::Wasmcloud02 => ("wasmcloud:messaging/handler@0.2.0", "handle-message"),
        }
    }

    /// Whether this import belongs to the contract. Messages that a handler sends through it are outputs, so it needs no
    /// capability.
    pub(super) fn brings(self, import: &str) -> bool {
        let offered: &[&str] = match self {
            Self::Cofferdam01 => &[],
            Self::WasiMessaging => &incoming_handler::WASI,
            Self::Wasmcloud03 => &incoming_handler::WASMCLOUD,
            Self::Wasmcloud02 => &[broker_message::CONSUMER],
        };
        offered.contains(&import)
    }

    /// Checks that `function` has the type of this contract.
    ///
    /// # Errors
    /// The difference.
    pub(super) fn typecheck(self, function: &ComponentFunc, component: &InstancePre<State>) -> wasmtime::Result<()> {
        let types = component.instance_type();
        match self {
            Self::Cofferdam01 => function.typecheck::<(&MessageParameter<'_>,), (Answer,)>(&types),
            Self::WasiMessaging | Self::Wasmcloud03 => {
                function.typecheck::<(Resource<incoming_handler::Message>,), (incoming_handler::Answer,)>(&types)
            }
            Self::Wasmcloud02 => function.typecheck::<(BrokerMessage<'_>,), (broker_message::Answer,)>(&types),
        }
    }

    /// The function at `index` of an instance; its type was checked when the plugin was loaded.
    pub(super) fn entry(
        self,
        store: &mut Store<State>,
        instance: &Instance,
        index: ComponentExportIndex,
    ) -> wasmtime::Result<Entry<'static>> {
        Ok(match self {
            Self::Cofferdam01 => Entry::Cofferdam(instance.get_typed_func(store, index)?),
            Self::WasiMessaging | Self::Wasmcloud03 => Entry::IncomingHandler(instance.get_typed_func(store, index)?),
            Self::Wasmcloud02 => Entry::BrokerMessage(instance.get_typed_func(store, index)?),
        })
    }
}

/// The export for several messages at once, which a plugin of our own contract may have in addition to its handler.
pub(super) const BATCH_EXPORT: (&str, &str) = ("cofferdam:plugin/batch-handler@0.1.0", "handle-batch");

/// Checks that `function` has the type of the batch export.
///
/// # Errors
/// The difference.
pub(super) fn typecheck_batch(function: &ComponentFunc, component: &InstancePre<State>) -> wasmtime::Result<()> {
    function.typecheck::<(&[MessageParameter<'_>],), (Vec<Answer>,)>(&component.instance_type())
}

/// Links the imports of all contracts, for all plugins. Loading refuses a plugin that imports functions of another contract.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    incoming_handler::add_to_linker(linker)?;
    broker_message::add_to_linker(linker)
}

/// The function of an instance that handles a message.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    Cofferdam(TypedFunc<(&'a MessageParameter<'a>,), (Answer,)>),
    IncomingHandler(TypedFunc<(Resource<incoming_handler::Message>,), (incoming_handler::Answer,)>),
    BrokerMessage(TypedFunc<(BrokerMessage<'a>,), (broker_message::Answer,)>),
}

/// A message in the form for all contracts.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) message: &'a Message,
    pub(super) parameter: &'a MessageParameter<'a>,
    pub(super) attempt: u32,
}

/// A request to an instance: one message, or several in one call.
pub(super) trait Ask: Copy + Send {
    /// The result of the guest.
    type Answer: Send;

    /// The number of messages in the request.
    fn messages(&self) -> u32;

    /// The id of the message, if there is exactly one.
    fn message(&self) -> Option<&Arc<str>> {
        None
    }

    /// Calls the guest.
    fn ask(
        self,
        store: &mut Store<State>,
        functions: Functions,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

/// No request: the instance is only started.
#[derive(Clone, Copy)]
pub(super) struct Nothing;

impl Ask for Nothing {
    type Answer = ();

    fn messages(&self) -> u32 {
        0
    }

    async fn ask(self, _: &mut Store<State>, _: Functions) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// The functions of an instance.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub(super) handle: Entry<'static>,
    /// The batch export, if the plugin has one.
    pub(super) handle_batch: Option<BatchEntry<'static>>,
}

/// `handle-batch`.
pub(super) type BatchEntry<'a> = TypedFunc<(&'a [MessageParameter<'a>],), (Vec<Answer>,)>;

/// Outputs, or the failure.
pub(super) type Said = Result<Vec<Output>, Failure>;

impl Ask for Given<'_> {
    type Answer = Said;

    fn messages(&self) -> u32 {
        1
    }

    fn message(&self) -> Option<&Arc<str>> {
        Some(&self.message.id)
    }

    /// Messages that the guest has sent become outputs if it succeeds, and are dropped otherwise.
    async fn ask(self, store: &mut Store<State>, functions: Functions) -> wasmtime::Result<Said> {
        match functions.handle {
            Entry::Cofferdam(handle) => {
                let (answer,) = handle.call_async(&mut *store, (self.parameter,)).await?;
                Ok(lift::read(answer, &store.data().spec.secrets))
            }
            Entry::IncomingHandler(handle) => {
                let message = incoming_handler::Message::incoming(self.message, self.attempt);
                let message = store.data_mut().give(message)?;
                let (answer,) = handle.call_async(&mut *store, (message,)).await?;
                let state = store.data_mut();
                Ok(answer.map(|()| state.outbox.take()).map_err(|error| error.told_without(&state.spec.secrets)))
            }
            Entry::BrokerMessage(handle) => {
                let message = BrokerMessage::of(self.message);
                let (answer,) = handle.call_async(&mut *store, (message,)).await?;
                let state = store.data_mut();
                let failure = |text: String| broker_message::failure(state.spec.secrets.redact(&text));
                Ok(answer.map_err(failure).map(|()| state.outbox.take()))
            }
        }
    }
}

/// Several messages in one call.
#[derive(Clone, Copy)]
pub(super) struct Several<'a>(pub(super) &'a [MessageParameter<'a>]);

impl Ask for Several<'_> {
    type Answer = Vec<Said>;

    fn messages(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    async fn ask(self, store: &mut Store<State>, functions: Functions) -> wasmtime::Result<Vec<Said>> {
        let handle = functions.handle_batch.expect("only plugins that export it are asked");
        let (answers,) = handle.call_async(&mut *store, (self.0,)).await?;
        let secrets = &store.data().spec.secrets;
        Ok(answers.into_iter().map(|answer| lift::read(answer, secrets)).collect())
    }
}
