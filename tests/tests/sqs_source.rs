//! A queue as a source: leases, grants, order, and outages.

use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use cofferdam::broker::sqs::source::{Config, Error, Sqs};
use cofferdam::clock::Clock;
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{DeliveryId, Event, Leased};
use futures::FutureExt;
use kit::{Gate, Message, Queue, QueueSpec, eventually};
use slotmap::SlotMap;
use tokio::time::{Instant, timeout};

/// Longer than any step takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

async fn config(endpoint: &str, queue: &Queue) -> Config {
    let client = cofferdam::broker::sqs::client(Some(kit::sqs::REGION), Some(endpoint)).await;
    Config::new(client, &queue.name, Clock::set())
}

fn grant(source: &mut Sqs, messages: u32) {
    source.ask(Ask::Grant { messages, bytes: 64 << 20 });
}

async fn next(source: &mut Sqs) -> Event {
    timeout(LONG, source.next()).await.expect("an event in time").expect("the source is open")
}

/// Returns the next `count` messages in the order of their arrival.
async fn take(source: &mut Sqs, count: usize) -> Vec<Leased> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(source).await {
            Event::Messages(messages) => taken.extend(messages),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken.len(), count);
    taken
}

fn body(leased: &Leased) -> &str {
    std::str::from_utf8(leased.record.payload.as_ref().expect("a body")).expect("text")
}

fn ids<const N: usize>() -> [DeliveryId; N] {
    let mut ids = SlotMap::with_key();
    std::array::from_fn(|_| ids.insert(()))
}

fn delete(source: &mut Sqs, delivery: DeliveryId, leased: &Leased) {
    source.ask(Ask::Delete { delivery, receipt: leased.receipt.clone() });
}

#[tokio::test]
async fn messages_of_a_group_arrive_in_order_and_each_once() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("ordered")).await;
    for number in 0..60 {
        let message = Message::new(format!("{number:02}")).group(format!("g{}", number % 4));
        sqs.send(&queue, message.deduplication(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    assert!(source.queue().fifo);
    grant(&mut source, 60);
    let mut ids = SlotMap::<DeliveryId, ()>::with_key();
    let (mut groups, mut deleted) = (vec![Vec::new(); 4], 0);
    while deleted < 60 {
        match next(&mut source).await {
            Event::Messages(messages) => {
                for leased in messages {
                    assert_eq!(leased.receives, 1);
                    let key = String::from_utf8(leased.record.key.clone().expect("a group").to_vec()).unwrap();
                    groups[key[1..].parse::<usize>().unwrap()].push(body(&leased).to_owned());
                    delete(&mut source, ids.insert(()), &leased);
                }
            }
            Event::Deleted(deliveries) => deleted += deliveries.len(),
            other => panic!("{other:?}"),
        }
    }
    for (group, bodies) in groups.iter().enumerate() {
        let expected: Vec<_> = (group..60).step_by(4).map(|number| format!("{number:02}")).collect();
        assert_eq!(*bodies, expected);
    }
    source.close().await;
    assert_eq!(sqs.counts(&queue).await, kit::sqs::Counts::default());
}

#[tokio::test]
async fn leases_of_a_queue_that_was_deleted_are_lost_and_one_of_the_same_name_is_read() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("recreated")).await;
    for number in 0..2 {
        sqs.send(&queue, Message::new(number.to_string())).await;
    }
    let wait = Duration::from_secs(1);
    let config = Config { wait, ..config(sqs.endpoint(), &queue).await };
    let mut source = Sqs::connect(config).await.unwrap();
    grant(&mut source, 10);
    let messages = take(&mut source, 2).await;
    sqs.client().delete_queue().queue_url(&queue.url).send().await.unwrap();
    let [done, held] = ids();
    delete(&mut source, done, &messages[0]);
    let lease = Duration::from_secs(60);
    source.ask(Ask::Extend { delivery: held, receipt: messages[1].receipt.clone(), lease });
    let mut lost = Vec::new();
    while lost.len() < 2 {
        match next(&mut source).await {
            Event::LeaseLost(deliveries) => lost.extend(deliveries),
            other => panic!("{other:?}"),
        }
    }
    assert!(lost.contains(&done) && lost.contains(&held));
    sqs.client().create_queue().queue_name(&queue.name).send().await.unwrap();
    sqs.send(&queue, Message::new("new")).await;
    let messages = take(&mut source, 1).await;
    assert_eq!(body(&messages[0]), "new");
    source.close().await;
}

#[tokio::test]
async fn a_forged_receipt_loses_its_own_lease_and_no_other() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("forged")).await;
    for number in 0..4 {
        sqs.send(&queue, Message::new(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    grant(&mut source, 4);
    let messages = take(&mut source, 4).await;
    let [real, forged, extended, forged_too] = ids();
    delete(&mut source, real, &messages[0]);
    source.ask(Ask::Delete { delivery: forged, receipt: "forged".into() });
    let lease = Duration::from_secs(60);
    source.ask(Ask::Extend { delivery: extended, receipt: messages[2].receipt.clone(), lease });
    source.ask(Ask::Extend { delivery: forged_too, receipt: "forged".into(), lease });
    let (mut good, mut lost) = (Vec::new(), Vec::new());
    while good.len() + lost.len() < 4 {
        match next(&mut source).await {
            Event::Deleted(deliveries) => good.extend(deliveries),
            Event::Extended { deliveries, .. } => good.extend(deliveries),
            Event::LeaseLost(deliveries) => lost.extend(deliveries),
            other => panic!("{other:?}"),
        }
    }
    good.sort_unstable();
    lost.sort_unstable();
    assert_eq!((good, lost), (vec![real, extended], vec![forged, forged_too]));
    source.close().await;
}

#[tokio::test]
async fn an_extended_lease_keeps_a_message_hidden_and_another_comes_back() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("extended")).await;
    sqs.send(&queue, Message::new("held")).await;
    sqs.send(&queue, Message::new("let go")).await;
    let config = Config { lease: Duration::from_secs(2), ..config(sqs.endpoint(), &queue).await };
    let clock = config.clock;
    let mut source = Sqs::connect(config).await.unwrap();
    grant(&mut source, 2);
    let messages = take(&mut source, 2).await;
    let held = messages.iter().find(|leased| body(leased) == "held").expect("it was sent");
    let [delivery, late] = ids();
    source.ask(Ask::Extend { delivery, receipt: held.receipt.clone(), lease: Duration::from_secs(60) });
    let Event::Extended { deliveries, until } = next(&mut source).await else { panic!("not extended") };
    assert_eq!(deliveries, [delivery]);
    let ahead = until.since(clock.now());
    assert!(ahead > Duration::from_secs(50) && ahead <= Duration::from_secs(60), "{ahead:?}");
    // Longer than the first lease of both.
    let back = sqs.receive(&queue, Duration::from_secs(5)).await;
    assert_eq!(back.iter().map(|message| message.body().unwrap()).collect::<Vec<_>>(), ["let go"]);
    // The source that held it reports that its lease is lost.
    let gone = messages.iter().find(|leased| body(leased) == "let go").expect("it was sent");
    delete(&mut source, late, gone);
    assert!(matches!(next(&mut source).await, Event::LeaseLost(lost) if lost == [late]));
    source.close().await;
}

#[tokio::test]
async fn a_released_message_and_its_successors_come_back_in_order() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("released")).await;
    for number in 1..=8 {
        sqs.send(&queue, Message::new(number.to_string()).group("g").deduplication(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    grant(&mut source, 8);
    let first = take(&mut source, 8).await;
    let [one, two] = ids();
    delete(&mut source, one, &first[0]);
    delete(&mut source, two, &first[1]);
    let mut deleted = 0;
    while deleted < 2 {
        let Event::Deleted(deliveries) = next(&mut source).await else { panic!("not deleted") };
        deleted += deliveries.len();
    }
    let (asked, delay) = (Instant::now(), Duration::from_secs(2));
    for part in [&first[2..5], &first[5..]] {
        source.ask(Ask::Release { receipts: part.iter().map(|leased| leased.receipt.clone()).collect(), delay });
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The batch hides each message at its own instant, so a poll may return the first few of them alone. Only their
    // deletion opens the group for the others.
    grant(&mut source, 6);
    let (mut second, mut ids) = (Vec::new(), SlotMap::<DeliveryId, ()>::with_key());
    while second.len() < 6 {
        match next(&mut source).await {
            Event::Messages(messages) => {
                for leased in messages {
                    assert_eq!(leased.receives, 2);
                    delete(&mut source, ids.insert(()), &leased);
                    second.push(body(&leased).to_owned());
                }
            }
            Event::Deleted(_) => {}
            other => panic!("{other:?}"),
        }
        assert!(asked.elapsed() >= delay, "they came back after {:?}", asked.elapsed());
    }
    assert_eq!(second, ["3", "4", "5", "6", "7", "8"]);
    source.close().await;
}

#[tokio::test]
async fn a_source_hands_over_no_more_than_it_was_granted() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("granted")).await;
    for number in 0..30 {
        sqs.send(&queue, Message::new(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    let mut received = 0;
    for (messages, bytes, expected) in [(7, 1 << 20, 7), (13, 1 << 20, 20), (5, 0, 25)] {
        source.ask(Ask::Grant { messages, bytes });
        received += take(&mut source, expected - received).await.len();
        assert!(timeout(Duration::from_millis(300), source.next()).await.is_err(), "more than {expected}");
        assert_eq!(sqs.counts(&queue).await.in_flight, expected);
    }
    source.close().await;

    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    source.ask(Ask::Grant { messages: 5, bytes: 1 });
    take(&mut source, 1).await;
    assert!(timeout(Duration::from_millis(300), source.next()).await.is_err(), "more than the bytes allow");
    source.close().await;
}

#[tokio::test]
async fn what_a_poll_brings_after_the_end_goes_back_at_once() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("closing")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    let mut source = Sqs::connect(config(&gate.endpoint(), &queue).await).await.unwrap();
    let before = gate.asked();
    grant(&mut source, 10);
    tokio::select! {
        event = source.next() => panic!("{event:?}"),
        () = eventually("a poll goes out", LONG, async || (gate.asked() > before).then_some(())) => {}
    }
    source.stop();
    let closing = tokio::spawn(source.close());
    sqs.send(&queue, Message::new("late")).await;
    timeout(LONG, closing).await.expect("it closes in time").unwrap();
    let back = sqs.receive(&queue, Duration::from_secs(0)).await;
    assert_eq!(back.len(), 1, "it is hidden until a lease ends that nobody holds");
    let receives = &back[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(receives, "2", "the poll should have brought it once");
}

#[tokio::test]
async fn messages_that_nobody_took_go_back_when_the_source_closes() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("untaken")).await;
    for number in 0..10 {
        let message = Message::new(number.to_string()).group(number.to_string());
        sqs.send(&queue, message.deduplication(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    grant(&mut source, 10);
    eventually("all are received", LONG, async || {
        // Polled once between two requests to the server, which counts messages before they arrive: so none was taken.
        assert!(source.next().now_or_never().is_none(), "they were taken");
        (sqs.counts(&queue).await.in_flight == 10).then_some(())
    })
    .await;
    source.close().await;
    assert_eq!(sqs.counts(&queue).await.visible, 10);
}

#[tokio::test]
async fn an_outage_of_the_server_ends_nothing() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("outage")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    sqs.send(&queue, Message::new("before")).await;
    let mut source = Sqs::connect(config(&gate.endpoint(), &queue).await).await.unwrap();
    grant(&mut source, 10);
    let before = take(&mut source, 1).await;
    let [delivery, extended] = ids();

    gate.shut();
    sqs.send(&queue, Message::new("meanwhile")).await;
    let lease = Duration::from_secs(60);
    source.ask(Ask::Extend { delivery: extended, receipt: before[0].receipt.clone(), lease });
    delete(&mut source, delivery, &before[0]);
    assert!(matches!(next(&mut source).await, Event::DeleteFailed(failed) if failed == [delivery]));

    gate.open();
    let (mut meanwhile, mut still_held) = (Vec::new(), false);
    while meanwhile.is_empty() || !still_held {
        match next(&mut source).await {
            Event::Messages(messages) => meanwhile.extend(messages),
            Event::Extended { deliveries, .. } => still_held = deliveries == [extended],
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(body(&meanwhile[0]), "meanwhile");
    delete(&mut source, delivery, &before[0]);
    assert!(matches!(next(&mut source).await, Event::Deleted(deleted) if deleted == [delivery]));
    source.close().await;
}

#[tokio::test]
async fn a_source_that_was_stopped_with_no_poll_under_way_closes_within_a_second() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("stopped")).await;
    for number in 0..2 {
        sqs.send(&queue, Message::new(number.to_string())).await;
    }
    let mut source = Sqs::connect(config(sqs.endpoint(), &queue).await).await.unwrap();
    // All granted messages have arrived, so the source does not poll.
    grant(&mut source, 2);
    let taken = take(&mut source, 2).await;
    source.stop();
    source.ask(Ask::Release {
        receipts: vec![taken[0].receipt.clone(), taken[1].receipt.clone()],
        delay: Duration::ZERO,
    });
    // As in a drain: the intake ends here, not in `close`.
    assert!(matches!(source.next().now_or_never(), Some(Some(Event::Due))));
    assert!(source.is_dry());
    let begun = Instant::now();
    source.close().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    assert_eq!(sqs.counts(&queue).await.visible, 2, "what was to be released is");
}

#[tokio::test]
async fn closing_while_the_server_is_away_is_bounded() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("away")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    sqs.send(&queue, Message::new("held")).await;
    let mut source = Sqs::connect(config(&gate.endpoint(), &queue).await).await.unwrap();
    grant(&mut source, 10);
    let held = take(&mut source, 1).await;
    gate.shut();
    source.ask(Ask::Release { receipts: vec![held[0].receipt.clone()], delay: Duration::ZERO });
    timeout(LONG, source.close()).await.expect("closed");
}

#[tokio::test]
async fn what_cannot_be_a_source_is_refused_with_its_reason() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("queue")).await;
    let good = config(sqs.endpoint(), &queue).await;
    let refused = async |config: Config| Sqs::connect(config).await.expect_err("refused");

    let error = refused(Config { queue: "no-such-queue".into(), ..good.clone() }).await;
    assert!(matches!(error, Error::Queue(cofferdam::broker::sqs::queue::Error::Missing { .. })), "{error}");
    assert!(error.to_string().contains("no queue `no-such-queue`"), "{error}");
    let error = refused(Config { lease: Duration::from_millis(1500), ..good.clone() }).await;
    assert!(matches!(error, Error::Lease(_)), "{error}");
    let error = refused(Config { wait: Duration::from_secs(21), ..good.clone() }).await;
    assert!(matches!(error, Error::Wait(_)), "{error}");

    let gate = Gate::before(sqs.endpoint()).await;
    gate.shut();
    let client = cofferdam::broker::sqs::client(None, Some(&gate.endpoint())).await;
    let error = refused(Config { client, ..good }).await;
    assert!(matches!(error, Error::Queue(cofferdam::broker::sqs::queue::Error::Unreachable { .. })), "{error}");
}

#[tokio::test]
async fn a_queue_tells_how_full_it_is_and_where_its_dead_letters_go() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::standard("dead")).await;
    let queue = sqs.create(QueueSpec::standard("full").dead_letters(&dead, 3)).await;
    for number in 0..3 {
        sqs.send(&queue, Message::new(number.to_string())).await;
    }
    let config = config(sqs.endpoint(), &queue).await;
    let client = config.client.clone();
    let mut source = Sqs::connect(Config { queue: queue.url.clone(), ..config }).await.unwrap();
    assert_eq!(*source.queue().name, *queue.name);
    assert_eq!(source.queue().redrive.as_deref(), Some(&*dead.name));
    assert_eq!(source.queue().max_receives, Some(3));
    grant(&mut source, 1);
    take(&mut source, 1).await;
    let depth = cofferdam::broker::sqs::queue::depth(&client, &queue.name).await.unwrap();
    assert_eq!((depth.available, depth.in_flight, depth.delayed), (2, 1, 0));
    let depth = cofferdam::broker::sqs::queue::depth(&client, &dead.name).await.unwrap();
    assert_eq!(depth.available, 0);
    source.close().await;
}
