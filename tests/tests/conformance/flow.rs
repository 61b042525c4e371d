//! A whole flow on a broker that the host does not know: the source traits are all it needs.

use std::sync::Arc;
use std::time::Duration;

use cofferdam::admin::Health;
use cofferdam::clock::Clock;
use cofferdam::control::RouteHandle;
use cofferdam::flow::{Flow, Guests, Limits, Parts};
use cofferdam::handler::{Attempt, Handler, LogLines, Slot};
use cofferdam::sink::Sinks;
use cofferdam_core::envelope::Wrapping;
use cofferdam_core::event::HandlerId;
use cofferdam_core::message::{Header, Headers, Kind, Message};
use cofferdam_core::outcome::{Class, Code, Failure, Outcome, Usage};
use cofferdam_core::output::{Output, Publication};
use cofferdam_core::route::{DeadLetterRule, OutputRule, Route};
use cofferdam_guarantees::simulation;
use kit::toy::{self, Consumer, Outlet, Store};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Longer than any step takes on a busy machine.
const WAIT: Duration = Duration::from_secs(60);

/// Returns each payload as an output; `bad` fails permanently.
struct Native(Arc<HandlerId>);

impl Handler for Native {
    fn id(&self) -> &Arc<HandlerId> {
        &self.0
    }

    async fn handle(&self, message: &Message, _: u32) -> Attempt {
        let outcome = match message.payload.as_deref() {
            Some(b"bad") => Failure::new(Class::Permanent, Code::INTERNAL, "it is bad").into(),
            _ => {
                Outcome::Done(vec![Output { to: "out".into(), payload: message.payload.clone(), ..Output::default() }])
            }
        };
        Attempt { outcome, usage: Usage::default(), refused_growths: 0, logs: LogLines::default() }
    }
}

fn route() -> Route {
    let out = OutputRule {
        destination: toy::queue("out"),
        wrapping: Wrapping::Raw,
        key: None,
        group: None,
        deduplication: None,
        max_bytes: toy::LARGEST,
    };
    Route {
        broker: toy::NAME,
        source: toy::SOURCE,
        outputs: [("out".into(), out)].into(),
        dead_letter: DeadLetterRule::BesideSource { broker: toy::NAME, traits: toy::QUEUE },
        errors: None,
        ..simulation::unleased_route(false)
    }
}

#[test]
fn the_simulated_queue_without_leases_has_the_abilities_of_the_toy() {
    assert_eq!(simulation::unleased_route(false).source, toy::SOURCE);
}

fn put(store: &Store, group: &str, payload: &str) {
    store.put(&Publication {
        destination: toy::queue("in"),
        key: None,
        headers: Headers::from([Header { name: b"colour", value: Some(b"red"), kind: Kind::Text }]),
        payload: Some(payload.to_owned().into()),
        timestamp_ms: None,
        group: Some(group.into()),
        deduplication: None,
    });
}

/// Starts a flow on the queue `in`. The future returns how it ended after it was stopped.
fn start(store: &Arc<Store>, stop: &CancellationToken) -> impl Future<Output = cofferdam::flow::Ending> + use<> {
    let clock = Clock::set();
    let flow = Flow::new(Parts {
        route: Arc::new(route()),
        source: Box::new(Consumer::new(store.clone(), "in")),
        sinks: Sinks::new(vec![(toy::NAME, Box::new(Outlet::new(store.clone())))]),
        handler: Arc::new(Slot::new(Native(Arc::new(HandlerId { name: "native".into(), digest: "none".into() })))),
        guests: Guests { quick: Handle::current(), slow: Handle::current() },
        stages: Vec::new(),
        clock,
        health: Health::new().route("r", clock.now()),
        listeners: Vec::new(),
        dedupe: None,
        transactions: None,
        commands: RouteHandle::new("r").1,
        limits: Limits { drain: WAIT, flush: WAIT },
    });
    flow.run(stop.clone())
}

fn payloads(store: &Store, queue: &str) -> Vec<String> {
    let text = |payload: Option<bytes::Bytes>| String::from_utf8(payload.unwrap_or_default().to_vec()).expect("text");
    store.messages(queue).into_iter().map(|record| text(record.payload)).collect()
}

#[tokio::test]
async fn a_broker_that_the_host_does_not_know_has_its_messages_handled_dead_lettered_and_drained() {
    let store = Arc::new(Store::default());
    for (group, payload) in [("a", "1"), ("b", "2"), ("a", "bad"), ("a", "3"), ("b", "4")] {
        put(&store, group, payload);
    }
    let stop = CancellationToken::new();
    let flow = start(&store, &stop);
    let test = async {
        kit::eventually("all are handled", WAIT, async || store.messages("in").is_empty().then_some(())).await;
        // The flow waits for the end of the outage.
        store.leave();
        put(&store, "a", "5");
        store.come_back();
        kit::eventually("the last is handled", WAIT, async || store.messages("in").is_empty().then_some(())).await;
        stop.cancel();
    };
    let (ending, ()) = tokio::join!(flow, test);
    assert!(ending.stopped.is_none() && !ending.client_failed && !ending.cut_short, "{ending:?}");
    assert_eq!((ending.account.done, ending.account.dead_lettered), (5, 1), "{ending:?}");

    let records = store.messages("out");
    let of = |group: &str| -> Vec<String> {
        let of_group = records.iter().filter(|record| record.key.as_deref() == Some(group.as_bytes()));
        of_group.map(|record| String::from_utf8_lossy(record.payload.as_deref().unwrap_or_default()).into()).collect()
    };
    assert_eq!(of("a"), ["1", "3", "5"], "a key keeps its order");
    assert_eq!(of("b"), ["2", "4"]);
    let letters = store.messages("in.dlq");
    assert_eq!(payloads(&store, "in.dlq"), ["bad"]);
    assert_eq!(letters[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(letters[0].text_header("colour"), Some("red"), "the original's headers stay");
    assert!(
        letters[0].text_header("cofferdam-dlq").is_some_and(|reasons| reasons.contains("it is bad")),
        "{letters:?}"
    );
}

#[tokio::test]
async fn what_a_flow_on_an_unknown_broker_has_not_begun_goes_back_when_it_drains() {
    let store = Arc::new(Store::default());
    (0..200).for_each(|number| put(&store, &format!("k{}", number % 3), &number.to_string()));
    let stop = CancellationToken::new();
    let flow = start(&store, &stop);
    let test = async {
        kit::eventually("some are handled", WAIT, async || (!store.messages("out").is_empty()).then_some(())).await;
        stop.cancel();
    };
    let (ending, ()) = tokio::join!(flow, test);
    assert!(ending.stopped.is_none() && !ending.cut_short, "{ending:?}");
    let mut all = [payloads(&store, "in"), payloads(&store, "out")].concat();
    all.sort_by_key(|payload| payload.parse::<u32>().expect("a number"));
    assert_eq!(all, (0..200).map(|number| number.to_string()).collect::<Vec<_>>(), "each in one place");
}
