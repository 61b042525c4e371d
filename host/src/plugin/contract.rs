//! The contracts that a plugin can be built for, each with its own way of giving a message and of reading the answer.
//! All of them come down to the newest: a message in; outputs, or a failure, out.

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
    /// Our own.
    Cofferdam01,
    /// `wasi:messaging@0.2.0-draft`: a message is a resource, what is sent goes through a producer.
    WasiMessaging,
    /// The same under another name, as wasmCloud 1 has it. (That of wasmCloud 2 has the same number, is another, and asks
    /// for async.)
    Wasmcloud03,
    /// Messages with subjects, what is published goes through a consumer.
    Wasmcloud02,
}

impl Contract {
    /// All of them; a component that exports several is held to the first.
    pub const ALL: [Self; 4] = [Self::Cofferdam01, Self::WasiMessaging, Self::Wasmcloud03, Self::Wasmcloud02];

    /// The name of its package, with the version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cofferdam01 => "cofferdam:plugin@0.1",
            Self::WasiMessaging => "wasi:messaging@0.2.0-draft",
            Self::Wasmcloud03 => "wasmcloud:messaging@0.3",
            Self::Wasmcloud02 => "wasmcloud:messaging@0.2",
        }
    }

    /// The interface that tells it, and the function in there.
    pub(super) const fn export(self) -> (&'static str, &'static str) {
        match self {
            Self::Cofferdam01 => ("cofferdam:plugin/handler@0.1.0", "handle"),
            Self::WasiMessaging => ("wasi:messaging/incoming-handler@0.2.0-draft", "handle"),
            Self::Wasmcloud03 => ("wasmcloud:messaging/incoming-handler@0.3.0", "handle"),
            Self::Wasmcloud02 => ("wasmcloud:messaging/handler@0.2.0", "handle-message"),
        }
    }

    /// Whether it brings this import with it: what its handlers send through it are outputs, so there is nothing to grant.
    pub(super) fn brings(self, import: &str) -> bool {
        let offered: &[&str] = match self {
            Self::Cofferdam01 => &[],
            Self::WasiMessaging => &incoming_handler::WASI,
            Self::Wasmcloud03 => &incoming_handler::WASMCLOUD,
            Self::Wasmcloud02 => &[broker_message::CONSUMER],
        };
        offered.contains(&import)
    }

    /// Whether `function` has the type that this contract says.
    ///
    /// # Errors
    /// What is different.
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

/// The export for several messages at once, which a plugin of our own contract may have beside its handler.
pub(super) const BATCH_EXPORT: (&str, &str) = ("cofferdam:plugin/batch-handler@0.1.0", "handle-batch");

/// Whether `function` has the type of that.
///
/// # Errors
/// What is different.
pub(super) fn typecheck_batch(function: &ComponentFunc, component: &InstancePre<State>) -> wasmtime::Result<()> {
    function.typecheck::<(&[MessageParameter<'_>],), (Vec<Answer>,)>(&component.instance_type())
}

/// What the contracts bring with them, for all plugins; a plugin of another contract that imports it was refused by name
/// when it was loaded.
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

/// A message as handlers of all contracts are given it.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) message: &'a Message,
    pub(super) parameter: &'a MessageParameter<'a>,
    pub(super) attempt: u32,
}

/// What an instance can be asked for: one message, or several in one call.
pub(super) trait Ask: Copy + Send {
    /// What a guest says to that.
    type Answer: Send;

    /// Messages that it is about.
    fn messages(&self) -> u32;

    /// The id of the message, where it is one.
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

/// Nothing is asked: the instance is only started.
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
    /// Of a plugin that takes several messages at once.
    pub(super) handle_batch: Option<BatchEntry<'static>>,
}

/// `handle-batch`.
pub(super) type BatchEntry<'a> = TypedFunc<(&'a [MessageParameter<'a>],), (Vec<Answer>,)>;

/// Outputs, or how it failed.
pub(super) type Said = Result<Vec<Output>, Failure>;

impl Ask for Given<'_> {
    type Answer = Said;

    fn messages(&self) -> u32 {
        1
    }

    fn message(&self) -> Option<&Arc<str>> {
        Some(&self.message.id)
    }

    /// What the guest sent on the way is asked for where it ends well, and forgotten where it does not.
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
