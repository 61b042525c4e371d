//! Queues whose redrive policy moves a message after some receives: no message that a handler can still get is moved.

use std::time::Duration;

use kit::{Host, Message, Queue, QueueSpec, Sqs, eventually, guest, run};

use crate::work::LONG;

/// A queue with a redrive policy, the queue that it moves messages to, and the output topic of the route.
struct Route<'a> {
    sqs: &'a Sqs,
    input: Queue,
    moved: Queue,
    output: Queue,
    dead: Queue,
}

impl<'a> Route<'a> {
    async fn new(sqs: &'a Sqs, receives: u32, spec: fn(&str) -> QueueSpec) -> Self {
        let moved = sqs.create(spec("redrive-moved")).await;
        let input = sqs.create(spec("redrive-in").dead_letters(&moved, receives)).await;
        let output = sqs.create(QueueSpec::standard("redrive-out")).await;
        let dead = sqs.create(spec("redrive-dead")).await;
        Self { sqs, input, moved, output, dead }
    }

    fn start(&self, more: &str) -> Host {
        let Self { sqs, input, output, dead, .. } = self;
        run(&format!(
            r#"
            service = {{ name = "redrive" }}
            sqs = {{ endpoint = "{}", region = "{}" }}
            admin = {{ listen = "" }}
            plugins.probe = {{ path = "{}" }}
            [[routes]]
            name = "redrive"
            from = {{ sqs = "{}", wait = "1s" }}
            handler = "probe"
            envelope = "raw"
            dead_letter = {{ sqs = "{}" }}
            outputs = {{ out = {{ sqs = "{}" }} }}
            {more}
            "#,
            sqs.endpoint(),
            kit::sqs::REGION,
            guest("probe").display(),
            input.name,
            dead.name,
            output.name,
        ))
        .start()
    }

    async fn send(&self, number: usize, what: &str, times: u32) {
        let message = Message::new(format!(r#"{{"do":"{what}","times":{times},"number":{number}}}"#));
        let message = message.group("g").deduplication(number.to_string());
        let fifo = self.input.name.ends_with(".fifo");
        self.sqs.send(&self.input, if fifo { message } else { message.standard() }).await;
    }

    async fn there(&self, queue: &Queue, count: usize) {
        let enough = async || (self.sqs.counts(queue).await.visible >= count).then_some(());
        eventually(&format!("{count} messages are in {}", queue.name), LONG, enough).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_behind_a_message_that_fails_are_handled_and_none_is_moved_by_its_queue() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let route = Route::new(&sqs, 1, QueueSpec::fifo).await;
    for number in 0..8 {
        route.send(number, if number < 2 { "fail" } else { "echo" }, 9).await;
    }
    let more = "retry = { max_attempts = 4, initial_delay = \"200ms\", multiplier = 1.0, jitter = 0.0 }";
    let mut host = route.start(more);
    let said = host.says("maxReceiveCount", LONG).await;
    assert!(said.contains("after 1 receives") && said.contains("4 attempts (max_attempts)"), "{said}");
    route.there(&route.output, 6).await;
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr.join("\n"));
    let account = ended.account();
    assert_eq!((&account["done"], &account["dead_lettered"], &account["released"]), (&6.into(), &2.into(), &0.into()));
    let order: Vec<_> = sqs.receive_all(&route.output).await;
    let order: Vec<_> = order.iter().map(|message| message.body().expect("a body").to_owned()).collect();
    assert_eq!(order.len(), 6, "{order:?}");
    assert_eq!(sqs.counts(&route.moved).await.visible, 0);
    assert_eq!(sqs.counts(&route.dead).await.visible, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_cost_no_message_its_last_receive_before_a_handler_has_seen_it() {
    const MESSAGES: usize = 24;
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let route = Route::new(&sqs, 2, QueueSpec::standard).await;
    for number in 0..MESSAGES {
        route.send(number, "burn", 30).await;
    }
    let mut host = route.start("concurrency = 1");
    for stop in 1..=3 {
        route.there(&route.output, stop * 3).await;
        let ended = host.stop(LONG).await;
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr.join("\n"));
        host.restart();
        // Earlier, a signal ends the process at once.
        host.says("\"running\"", LONG).await;
    }
    route.there(&route.output, MESSAGES).await;
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr.join("\n"));
    assert_eq!(sqs.counts(&route.moved).await.visible, 0, "moved, and no handler has seen it");
    assert_eq!(sqs.counts(&route.input).await, kit::sqs::Counts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_has_failed_on_its_last_receive_is_a_dead_letter_with_its_reason_at_a_stop() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let route = Route::new(&sqs, 1, QueueSpec::standard).await;
    route.send(0, "fail", 9).await;
    let mut host = route.start("retry = { initial_delay = \"30s\", jitter = 0.0 }");
    host.says("message_nacked", LONG).await;
    let ended = host.stop(Duration::from_secs(15)).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr.join("\n"));
    let letters = sqs.receive_all(&route.dead).await;
    let reason = letters[0].message_attributes().expect("attributes")["cofferdam-dlq"].string_value().expect("text");
    assert!(reason.contains("maxReceiveCount allows no further receive; 4 of 5 attempts left"), "{reason}");
    assert_eq!(sqs.counts(&route.moved).await.visible, 0);
}
