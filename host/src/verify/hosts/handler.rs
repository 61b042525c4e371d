//! The handler of the hosts, as text: no toolchain is needed to verify.

/// The component.
pub(super) fn component() -> Vec<u8> {
    wat::parse_str(include_str!("handler.wat")).expect("the handler is a component, a test holds it to that")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cofferdam_core::message::{Message, Position, Record};
    use cofferdam_core::outcome::{Class, Outcome};

    use super::*;
    use crate::plugin::{Engine, EngineConfig, Plugin, Spec};

    fn message(payload: &str) -> Message {
        let record = Record {
            source: "in".into(),
            position: Position::Offset { partition: 3, offset: 42 },
            key: Some("k7".into()),
            headers: Default::default(),
            payload: Some(payload.to_owned().into()),
            timestamp_ms: None,
        };
        Arc::new(record).into()
    }

    #[tokio::test]
    async fn it_does_as_the_message_says() {
        let engine = Engine::new(EngineConfig { instances: 10, ..EngineConfig::default() }).unwrap();
        let mut spec = Spec::new("verify");
        (spec.limits.memory, spec.limits.cpu_time) = (1 << 20, Duration::from_millis(50));
        let plugin = Plugin::load(&engine, &component(), spec).unwrap();
        for (payload, attempt, class, outputs) in [
            ("d0 1", 1, Class::Done, 0),
            ("d2 1", 1, Class::Done, 2),
            ("r2 1", 2, Class::Retryable, 0),
            ("r2 1", 3, Class::Done, 1),
            ("p9 1", 1, Class::Permanent, 0),
            ("f9 1", 1, Class::Deferred, 0),
            ("t1 1", 1, Class::Trapped, 0),
            ("t1 1", 2, Class::Done, 1),
            ("m9 1", 1, Class::OutOfMemory, 0),
            ("l1 1", 1, Class::TimedOut, 0),
            ("u1 1", 1, Class::Done, 1), // that the output is unknown is seen by the route
        ] {
            let outcome = plugin.handle(&message(payload), attempt).await.outcome;
            let Outcome::Done(emitted) = outcome else {
                assert_eq!(outcome.class(), class, "{payload}, attempt {attempt}: {outcome:?}");
                continue;
            };
            assert_eq!((Class::Done, emitted.len()), (class, outputs), "{payload}, attempt {attempt}");
            for (index, output) in emitted.iter().enumerate() {
                assert_eq!(&*output.to, if payload.starts_with('u') { "nowhere" } else { "out" });
                assert_eq!(output.key.as_deref(), Some(&b"k7"[..]));
                assert_eq!(output.payload.as_deref(), Some(format!("in/3/42/{index}").as_bytes()));
            }
        }
    }
}
