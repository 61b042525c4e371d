//! Messages of one broker with dead letters on the other.

use kit::{QueueSpec, Record, Stored};

use crate::desk::{Desk, bare, marker, yesterday};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_topic_comes_back_from_a_queue_byte_for_byte() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    for dead in [QueueSpec::standard("dlq-across"), QueueSpec::fifo("dlq-across")] {
        let (input, dead) = (kafka.topic("dlq-in", 2).await, sqs.create(dead).await);
        let from = format!("{{ kafka = [\"{input}\"], group = \"{input}\" }}");
        let route = Desk::route(&from, &format!("dead_letter = {{ sqs = {:?} }}", dead.name));
        let desk = Desk::new(Some(kafka), Some(&sqs), &route);
        let many = (0..12).fold(Record::new("{\"do\":\"permanent\"}"), |record, number| {
            record.header(&format!("h-{}", 12 - number), vec![b'0', 0xff, number])
        });
        let records = [
            Record::new(&b"\xff\x00 no JSON"[..])
                .key(&b"k\xfe"[..])
                .header("z", "1")
                .null_header("a b")
                .header("z", ""),
            Record::tombstone("two words"),
            Record::new("").timestamp(yesterday() + 123),
            Record::new("no tombstone").header("cofferdam-encoding", "tombstone"),
            many.key("order-7").partition(1),
        ];
        kafka.produce(&input, records).await;
        desk.host_until(async || (sqs.counts(&dead).await.visible == 5).then_some(())).await;
        let report = &desk.json(&["replay", &format!("sqs:{}", dead.name)]).await[0];
        assert_eq!(report["sent"], serde_json::json!({ format!("kafka:{input}"): 5 }), "{report}");
        let stored = kafka.read_all(&input).await;
        let (copies, originals): (Vec<&Stored>, Vec<&Stored>) =
            stored.iter().partition(|record| record.header("cofferdam-replay").is_some());
        assert_eq!((copies.len(), originals.len()), (5, 5));
        for original in originals {
            assert!(copies.iter().any(|copy| bare(copy) == bare(original)), "{original:?} is not among {copies:?}");
        }
        assert!(copies.iter().all(|copy| marker(copy)["count"] == 1));
        assert_eq!(sqs.counts(&dead).await.visible, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_queue_comes_back_from_a_topic_with_types_and_group() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (source, dead) = (sqs.create(QueueSpec::fifo("dlq-tasks")).await, kafka.topic("dlq-across", 1).await);
    let from = format!("{{ sqs = {:?} }}", source.name);
    let desk =
        Desk::new(Some(kafka), Some(&sqs), &Desk::route(&from, &format!("dead_letter = {{ kafka = {dead:?} }}")));
    let number = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("Number.int").string_value("7").build();
    let send = sqs.client().send_message().queue_url(&source.url).message_body("{\"do\":\"permanent\"}");
    let send = send.message_group_id("order-7").message_deduplication_id("d");
    let text = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value("acme").build();
    let send =
        send.message_attributes("n", number.expect("complete")).message_attributes("tenant", text.expect("complete"));
    send.send().await.expect("the server takes it");
    desk.dead_letters(kafka, &dead, 1).await;
    desk.json(&["replay", &dead]).await;
    let back = sqs.receive_all(&source).await;
    assert_eq!((back.len(), back[0].body()), (1, Some("{\"do\":\"permanent\"}")));
    let attributes = back[0].message_attributes().expect("attributes");
    assert_eq!(attributes["n"].data_type(), "Number.int");
    assert_eq!((attributes["tenant"].data_type(), attributes["tenant"].string_value()), ("String", Some("acme")));
    let group = aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId;
    assert_eq!(back[0].attributes().and_then(|system| system.get(&group)).map(String::as_str), Some("order-7"));
}
