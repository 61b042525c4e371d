//! The host functions for handlers of this contract. Both packages have the same functions, which are linked by name.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use super::{Answer, Error, Message, NO_REPLIES};
use crate::plugin::host::state::{HostCall, State};

/// `types`, `producer`, `request-reply`.
pub(in crate::plugin::contract) const WASI: [&str; 3] = [
    "wasi:messaging/types@0.2.0-draft",
    "wasi:messaging/producer@0.2.0-draft",
    "wasi:messaging/request-reply@0.2.0-draft",
];
pub(in crate::plugin::contract) const WASMCLOUD: [&str; 3] = [
    "wasmcloud:messaging/types@0.3.0",
    "wasmcloud:messaging/producer@0.3.0",
    "wasmcloud:messaging/request-reply@0.3.0",
];

/// `resource client`. It has no content, because messages leave as outputs of the route.
struct Client;

/// `resource request-options`.
struct Options;

type Metadata = Vec<(String, String)>;

pub(in crate::plugin::contract) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for [types, producer, request_reply] in [WASI, WASMCLOUD] {
        add_types(&mut linker.instance(types)?)?;
        add_producer(&mut linker.instance(producer)?)?;
        add_request_reply(&mut linker.instance(request_reply)?)?;
    }
    Ok(())
}

fn add_types(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    resource::<Client>(types, "client")?;
    function(types, "[static]client.connect", |call, (_name,): (String,)| {
        Ok((Result::<_, Error>::Ok(call.table.push(Client)?),))
    })?;
    function(types, "[method]client.disconnect", |_, (_client,): (Resource<Client>,)| Ok((Answer::Ok(()),)))?;
    types.resource("message", ResourceType::host::<Message>(), |mut store, index| {
        store.data_mut().host_call().take_back(&Resource::new_own(index)).map(drop)
    })?;
    function(types, "[constructor]message", |call, (data,): (Vec<u8>,)| {
        let message = Message { data: Bytes::from(data), ..Message::default() };
        Ok((call.hold(message)?,))
    })?;
    getter(types, "topic", |message| message.topic.clone())?;
    getter(types, "content-type", |message| message.content_type.clone())?;
    getter(types, "data", |message| message.data.to_vec())?;
    getter(types, "metadata", |message| message.metadata.clone())?;
    function(types, "[method]message.set-content-type", |call, (message, value): (Resource<Message>, String)| {
        call.change(&message, |message| message.content_type = Some(value))
    })?;
    function(types, "[method]message.set-data", |call, (message, data): (Resource<Message>, Vec<u8>)| {
        call.change(&message, |message| message.data = Bytes::from(data))
    })?;
    function(types, "[method]message.set-metadata", |call, (message, metadata): (Resource<Message>, Metadata)| {
        call.change(&message, |message| message.metadata = Some(metadata))
    })?;
    function(
        types,
        "[method]message.add-metadata",
        |call, (message, name, value): (Resource<Message>, String, String)| {
            call.change(&message, |message| {
                let metadata = message.metadata.get_or_insert_default();
                metadata.retain(|(known, _)| *known != name);
                metadata.push((name, value));
            })
        },
    )?;
    function(types, "[method]message.remove-metadata", |call, (message, name): (Resource<Message>, String)| {
        call.change(&message, |message| {
            message.metadata.iter_mut().for_each(|metadata| metadata.retain(|(known, _)| *known != name));
        })
    })
}

fn add_producer(producer: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Sent = (Resource<Client>, String, Resource<Message>);
    function(producer, "send", |call, (_client, topic, message): Sent| {
        let message = call.take_back(&message)?;
        call.outbox.send(message.output(topic))?;
        Ok((Answer::Ok(()),))
    })
}

fn add_request_reply(replies: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Asked = (Resource<Client>, String, Resource<Message>, Option<Resource<Options>>);
    resource::<Options>(replies, "request-options")?;
    function(replies, "[constructor]request-options", |call, (): ()| Ok((call.table.push(Options)?,)))?;
    for name in ["[method]request-options.set-timeout-ms", "[method]request-options.set-expected-replies"] {
        function(replies, name, |_, (_options, _value): (Resource<Options>, u32)| Ok(()))?;
    }
    function(replies, "request", |call, (_client, _topic, _message, options): Asked| {
        if let Some(options) = options {
            call.table.delete(options)?;
        }
        Ok((Result::<Vec<Resource<Message>>, Error>::Err(no_replies()),))
    })?;
    function(replies, "reply", |call, (_to, reply): (Resource<Message>, Resource<Message>)| {
        call.take_back(&reply)?;
        Ok((Answer::Err(no_replies()),))
    })
}

fn no_replies() -> Error {
    Error::Other(NO_REPLIES.into())
}

impl HostCall<'_> {
    /// Gives a message to the guest. It counts against the guest's limit from now on.
    fn hold(&mut self, mut message: Message) -> wasmtime::Result<Resource<Message>> {
        message.charged = message.size();
        self.outbox.charge(message.charged)?;
        Ok(self.table.push(message)?)
    }

    /// Changes a message that the guest holds. All of it counts against the guest's limit then.
    fn change(&mut self, message: &Resource<Message>, change: impl FnOnce(&mut Message)) -> wasmtime::Result<()> {
        let message = self.table.get_mut(message)?;
        change(message);
        let now = message.size();
        let before = std::mem::replace(&mut message.charged, now);
        self.outbox.recharge(before, now)
    }

    /// Takes a message back from the guest, so that it does not count against the limit any more.
    fn take_back(&mut self, message: &Resource<Message>) -> wasmtime::Result<Message> {
        let message = self.table.delete(Resource::<Message>::new_own(message.rep()))?;
        self.outbox.discharge(message.charged);
        Ok(message)
    }
}

fn resource<T: 'static>(instance: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |mut store, index| {
        store.data_mut().host_call().table.delete(Resource::<T>::new_own(index))?;
        Ok(())
    })
}

fn getter<T>(
    types: &mut LinkerInstance<'_, State>,
    name: &str,
    get: impl Fn(&Message) -> T + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    (T,): ComponentNamedList + Lower + 'static,
{
    let name = format!("[method]message.{name}");
    function(types, &name, move |call, (message,): (Resource<Message>,)| Ok((get(call.table.get(&message)?),)))
}

fn function<Parameters, Results>(
    instance: &mut LinkerInstance<'_, State>,
    name: &str,
    function: impl Fn(&mut HostCall<'_>, Parameters) -> wasmtime::Result<Results> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    Parameters: ComponentNamedList + Lift + 'static,
    Results: ComponentNamedList + Lower + 'static,
{
    instance.func_wrap(name, move |mut store: StoreContextMut<'_, State>, parameters: Parameters| {
        function(&mut store.data_mut().host_call(), parameters)
    })
}
