use proptest::prelude::*;

use super::*;
use crate::ids::Partition;

const NOW: u64 = 1_795_237_296;

fn progress() -> impl Strategy<Value = (i64, Progress)> {
    let runs = prop::collection::vec((1_i64..1_000, 1_i64..1_000), 0..200);
    let tried = prop::collection::btree_map(0_i64..100_000, (1_u32..20, 0..100_000_u64), 0..150);
    (0..i64::MAX / 2, runs, tried).prop_map(|(base, runs, tried)| {
        let mut end = base;
        let finished = runs.into_iter().map(|(skip, run)| {
            let start = end + skip;
            end = start + run;
            start..end
        });
        let finished = finished.collect();
        let tried = tried.into_iter().map(|(offset, (attempt, age))| {
            (base + offset, Tried { attempt, since: Time::from_millis((NOW - age) * 1_000) })
        });
        (base, Progress { finished, tried: tried.collect() })
    })
}

fn partition() -> Partition {
    Partition { topic: "t".into(), number: 0 }
}

fn identity() -> Identity {
    Identity::new(&partition(), Some("cluster"), Some(&[7; 16]))
}

proptest! {
    #[test]
    fn what_was_written_is_read((base, progress) in progress()) {
        let metadata = progress.encode(base, identity(), LIMIT);
        prop_assert!(metadata.len() <= LIMIT);
        let written = Written { base, identity: identity(), progress };
        prop_assert_eq!(Written::decode(&metadata), Ok(Some(written)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(cf[12]:)?[A-Za-z0-9_-]{0,80}|.{0,40}") {
        if let Ok(progress) = Progress::decode(&text) {
            prop_assert!(progress.finished.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }

    #[test]
    fn numbers_come_back(value in any::<u64>(), signed in any::<i64>()) {
        let mut bytes = Vec::new();
        put(&mut bytes, value);
        put(&mut bytes, zigzag(signed));
        let bytes = &mut bytes.as_slice();
        prop_assert_eq!(take(bytes), Some(value));
        prop_assert_eq!(take(bytes).map(unzigzag), Some(signed));
        prop_assert!(bytes.is_empty());
    }
}

#[test]
fn nothing_beyond_the_offset_needs_no_text_where_the_topic_has_no_id() {
    assert_eq!(&*Progress::default().encode(7, identity().without_topic(), LIMIT), "");
    assert_ne!(&*Progress::default().encode(7, identity(), LIMIT), "");
    assert_eq!(Progress::decode(""), Ok(Progress::default()));
}

#[test]
fn what_others_wrote_is_refused() {
    for text in ["cf3:AAAA", "cf1", "cf1:", "cf1:!", "NO_METADATA", "cf1:BQH_", "{}", "cf2:", "cf2:AAEMAA", "cf2:AAk"] {
        assert_eq!(Progress::decode(text), Err(Unreadable), "{text:?}");
    }
    assert_eq!(Progress::decode(&format!("cf1:{}", "A".repeat(LIMIT))), Err(Unreadable));
}

#[test]
fn a_long_run_between_two_that_wait_takes_few_bytes() {
    let finished = vec![101..9_000, 9_001..10_000];
    assert!(Progress { finished, ..Progress::default() }.encode(100, identity(), LIMIT).len() < 40);
}

#[test]
fn what_does_not_fit_is_left_out_from_the_top_and_attempts_go_first() {
    let finished: Vec<_> = (0..5_000).map(|index| index * 3 + 1..index * 3 + 2).collect();
    let since = Time::from_millis(NOW * 1_000);
    let tried: BTreeMap<_, _> = (0..100).map(|index| (index * 3, Tried { attempt: 4, since })).collect();
    let read =
        Progress::decode(&Progress { finished: finished.clone(), tried: tried.clone() }.encode(0, identity(), LIMIT))
            .expect("ours");
    assert_eq!(read.tried, tried);
    assert!(read.finished.len() > 1_000, "{}", read.finished.len());
    assert_eq!(read.finished, finished[..read.finished.len()]);

    let tried: BTreeMap<_, _> = (0..5_000).map(|index| (index * 3, Tried { attempt: 4, since })).collect();
    let metadata = Progress { finished, tried: tried.clone() }.encode(0, identity(), LIMIT);
    assert!(metadata.len() <= LIMIT);
    let read = Progress::decode(&metadata).expect("ours");
    assert!(read.tried.len() > 900 && read.tried.iter().eq(tried.iter().take(read.tried.len())));
}

#[test]
fn what_lies_below_an_offset_is_forgotten() {
    let tried = Tried { attempt: 2, since: Time::default() };
    let mut progress =
        Progress { finished: vec![3..5, 8..12], tried: BTreeMap::from([(2, tried), (7, tried), (12, tried)]) };
    progress.forget_below(9);
    assert_eq!(progress.finished, std::slice::from_ref(&(9..12)));
    assert_eq!(progress.tried, BTreeMap::from([(12, tried)]));
    let finished: Vec<i64> = (0..20).filter(|offset| progress.is_finished(*offset)).collect();
    assert_eq!(finished, [9, 10, 11]);
}

#[test]
fn a_time_that_no_clock_can_show_is_refused() {
    let with = |seconds: i64| {
        let mut bytes = Vec::new();
        for value in [0, 1, 0, 1, zigzag(seconds)] {
            put(&mut bytes, value);
        }
        Progress::decode(&format!("{PREFIX_WITHOUT_FIELDS}{}", BASE64.encode(bytes)))
    };
    assert!(with(1_795_237_296).is_ok());
    assert_eq!([with(i64::MAX / 1_000), with(-1)], [Err(Unreadable), Err(Unreadable)]);
}

/// Progress with offset 3 committed, and 5 to 8 finished.
fn five_to_eight() -> Progress {
    Progress { finished: std::iter::once(5..9).collect(), ..Progress::default() }
}

#[test]
fn metadata_counts_for_the_cluster_topic_partition_and_offset_that_it_was_written_for() {
    let metadata = five_to_eight().encode(3, identity(), LIMIT);
    let found = |committed: i64, identity| resume(Some(committed), Some(&metadata), identity);
    assert_eq!(found(3, identity()).progress, five_to_eight());
    assert_eq!(found(3, Identity::default()).progress, five_to_eight(), "what is unknown differs from nothing");

    let others = Partition { number: 1, ..partition() };
    for (committed, identity, differs) in [
        (0, identity(), "offset (offset 3; committed is 0)"),
        (9, identity(), "offset (offset 3; committed is 9)"),
        (3, Identity::new(&partition(), Some("other"), Some(&[7; 16])), "cluster"),
        (3, Identity::new(&partition(), Some("other"), Some(&[8; 16])), "cluster and another topic id"),
        (3, Identity::new(&others, Some("cluster"), Some(&[7; 16])), "partition"),
        (
            0,
            Identity::new(&partition(), None, Some(&[8; 16])),
            "topic id and another offset (offset 3; committed is 0)",
        ),
    ] {
        let found = found(committed, identity);
        assert_eq!((found.from, found.is_recreated), (Some(committed), false), "{differs}: the offset is meant");
        assert_eq!(found.progress, Progress::default(), "{differs}");
        assert_eq!(found.ignored.expect(differs).to_string(), format!("written for another {differs}"));
    }
}

#[test]
fn a_commit_for_a_topic_that_was_created_again_says_nothing_of_the_new_one() {
    let recreated = Identity::new(&partition(), Some("cluster"), Some(&[8; 16]));
    for progress in [five_to_eight(), Progress::default()] {
        let found = resume(Some(3), Some(&progress.encode(3, identity(), LIMIT)), recreated);
        assert_eq!((found.from, found.is_recreated, found.progress), (None, true, Progress::default()));
    }
}

#[test]
fn the_format_without_fields_counts_for_its_own_offset() {
    // Base 3, no tried records, 2 unfinished and 4 finished offsets.
    let metadata = format!("cf1:{}", BASE64.encode([3, 0, 2, 4]));
    assert_eq!(resume(Some(3), Some(&metadata), identity()).progress, five_to_eight());
    let moved = resume(Some(0), Some(&metadata), identity());
    assert_eq!((moved.from, moved.progress), (Some(0), Progress::default()));
    assert_eq!(moved.ignored.unwrap().to_string(), "written for another offset (offset 3; committed is 0)");
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let mut bytes = vec![3, 9, 2, 255, 255, 1, 12];
    bytes.extend(identity().to_bytes());
    bytes.extend([0, 0, 2, 4]);
    let written = Written::decode(&format!("cf2:{}", BASE64.encode(bytes))).unwrap().unwrap();
    assert_eq!(written, Written { base: 3, identity: identity(), progress: five_to_eight() });
}
