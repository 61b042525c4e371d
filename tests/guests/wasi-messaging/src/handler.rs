//! What the handler does.

use std::cell::RefCell;

use crate::producer::send;
use crate::request_reply::{RequestOptions, reply, request};
use crate::types::{Client, Error, Message};

thread_local! {
    static KEPT: RefCell<Vec<Message>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn handle(message: Message) -> Result<(), Error> {
    let client = Client::connect("anywhere")?;
    match message.data().as_slice() {
        b"own" => {
            let own = Message::new(b"first");
            own.set_data(b"own");
            own.set_content_type("text/plain");
            own.add_metadata("tenant", "old");
            own.add_metadata("tenant", "acme");
            own.add_metadata("gone", "1");
            own.remove_metadata("gone");
            own.add_metadata("cofferdam-key", "own-key");
            own.add_metadata("cofferdam-attribute-type", "own.type");
            send(&client, "out", own)?;
            send(&client, "second", Message::new(b"2"))?;
            client.disconnect()
        }
        b"seen" => {
            let metadata = message.metadata().unwrap_or_default();
            let lines: Vec<String> = metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let text = format!("{:?} {:?} {}", message.topic(), message.content_type(), lines.join(" "));
            send(&client, "out", Message::new(text.as_bytes()))
        }
        b"altered" => {
            message.set_data(b"altered data");
            message.set_metadata(&[("only".to_owned(), "1".to_owned())]);
            send(&client, "out", message)
        }
        b"timeout" => Err(Error::Timeout),
        b"connection" => Err(Error::Connection("as asked".to_owned())),
        b"denied" => Err(Error::PermissionDenied("as asked".to_owned())),
        b"fail" => {
            send(&client, "out", message)?;
            Err(Error::Other("as asked".to_owned()))
        }
        b"panic" => {
            send(&client, "out", message)?;
            panic!("as asked")
        }
        b"request" => {
            let options = RequestOptions::new();
            options.set_timeout_ms(10);
            options.set_expected_replies(1);
            let refused = request(&client, "out", &message, Some(options)).expect_err("nobody replies");
            let unheard = reply(&message, Message::new(b"reply")).expect_err("nobody waits");
            send(&client, "out", Message::new(format!("{refused:?} {unheard:?}").as_bytes()))
        }
        b"flood" => loop {
            send(&client, "out", Message::new(b""))?;
        },
        b"send too much" => loop {
            send(&client, "out", Message::new(&[0; 65_536]))?;
        },
        b"hoard" => loop {
            let hoarded = Message::new(&[0; 65_536]);
            KEPT.with_borrow_mut(|kept| kept.push(hoarded));
        },
        b"hoard metadata" => loop {
            for number in 0.. {
                message.add_metadata(&number.to_string(), &"x".repeat(1024));
            }
        },
        b"hoard nothings" => loop {
            KEPT.with_borrow_mut(|kept| kept.push(Message::new(b"")));
        },
        b"endless name" => send(&client, &"x".repeat(100_000), message),
        b"keep" => {
            KEPT.with_borrow_mut(|kept| kept.push(message));
            Ok(())
        }
        b"kept" => {
            let kept = KEPT.with_borrow(Vec::len);
            send(&client, "out", Message::new(kept.to_string().as_bytes()))
        }
        _ => send(&client, "out", message),
    }
}
