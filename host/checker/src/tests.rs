use super::*;

const OUT: What = What::Output(0);

/// Of the lane `k`: `a` and `b` have one output each, `c` two, `x` always fails.
fn checker(delivery: Delivery) -> Checker {
    let mut checker = Checker::new(delivery);
    for (position, (id, outputs)) in
        [("a", Some(1)), ("b", Some(1)), ("c", Some(2)), ("x", None)].into_iter().enumerate()
    {
        checker.written(&Written { id: id.into(), lane: "k".into(), position: position as u64, outputs });
    }
    checker.written(&Written { id: "other".into(), lane: "l".into(), position: 9, outputs: Some(0) });
    checker
}

/// What a reader finds where nothing is wrong.
fn well() -> Vec<(&'static str, What)> {
    let failed = [("x", What::DeadLetter), ("x", What::ErrorEvent)];
    [("a", OUT), ("b", OUT), ("c", OUT), ("c", What::Output(1))].into_iter().chain(failed).collect()
}

fn found(delivery: Delivery, read: &[(&str, What)]) -> Findings {
    let mut checker = checker(delivery);
    for (id, what) in read {
        checker.read(&Read { id: (*id).into(), lane: Some("k".into()), what: *what });
    }
    checker.finish()
}

/// The rules that are broken, and how often.
fn broken(findings: &Findings) -> Vec<(Rule, u64)> {
    let broken = findings.rules().iter().filter(|finding| finding.broken > 0);
    broken.map(|finding| (finding.rule, finding.broken)).collect()
}

const BOTH: [Delivery; 2] = [Delivery::AtLeastOnce, Delivery::ExactlyOnce];

#[test]
fn what_is_complete_and_in_order_is_well() {
    for delivery in BOTH {
        let findings = found(delivery, &well());
        assert!(findings.are_well(), "{findings:?}");
        assert_eq!(findings.figures, Figures { read: 6, again: 0, two_ends: 0 });
        assert_eq!((findings.of(Rule::Missing).checked, findings.of(Rule::Order).checked), (5, 5));
    }
}

#[test]
fn each_thing_that_is_not_there_is_missed() {
    for delivery in BOTH {
        for gone in 0..well().len() {
            let mut read = well();
            let (id, what) = read.remove(gone);
            let findings = found(delivery, &read);
            let (Rule::Missing, 1) = broken(&findings)[0] else { panic!("{id}, {what}: {findings:?}") };
            assert!(findings.of(Rule::Missing).shown[0].starts_with(id));
        }
    }
}

#[test]
fn what_nobody_has_written_is_known_for_an_invention() {
    for delivery in BOTH {
        for (id, what) in [("z", OUT), ("a", What::Output(1)), ("x", OUT), ("other", What::DeadLetter)] {
            let mut read = well();
            read.push((id, what));
            // Of `other` a dead letter is possible, and not in the lane `k`.
            assert_eq!(broken(&found(delivery, &read)), [(Rule::Unknown, 1)], "{id}, {what}");
        }
    }
}

#[test]
fn two_messages_of_one_id_are_told() {
    let mut checker = checker(Delivery::AtLeastOnce);
    checker.written(&Written { id: "a".into(), lane: "k".into(), position: 4, outputs: Some(1) });
    assert_eq!(checker.finish().of(Rule::Unknown).broken, 1);
}

#[test]
fn any_two_outputs_that_change_places_are_out_of_order() {
    for delivery in BOTH {
        for first in 0..3 {
            let mut read = well();
            read.swap(first, first + 1);
            assert_eq!(broken(&found(delivery, &read)), [(Rule::Order, 1)], "{first}");
        }
    }
}

#[test]
fn dead_letters_have_the_order_of_their_lane_among_each_other() {
    let dead = [What::DeadLetter, What::ErrorEvent];
    let of = |id: &'static str| dead.map(|what| (id, what));
    let with = |read: [[(&'static str, What); 2]; 4]| found(Delivery::ExactlyOnce, &read.concat());
    assert!(with([of("a"), of("b"), of("c"), of("x")]).are_well());
    assert_eq!(broken(&with([of("a"), of("c"), of("b"), of("x")])), [(Rule::Order, 1)]);
}

#[test]
fn what_is_read_again_is_counted_and_exactly_once_it_is_a_fault() {
    for (index, (id, what)) in well().into_iter().enumerate() {
        let mut read = well();
        read.insert(index + 1, (id, what));
        let findings = found(Delivery::AtLeastOnce, &read);
        assert!(findings.are_well() && findings.figures.again == 1, "{findings:?}");
        assert_eq!(broken(&found(Delivery::ExactlyOnce, &read)), [(Rule::Once, 1)], "{id}, {what}");
    }
}

#[test]
fn a_repeat_may_stand_behind_later_messages() {
    let mut read = well();
    read.extend([("a", OUT), ("b", OUT)]);
    let findings = found(Delivery::AtLeastOnce, &read);
    assert!(findings.are_well() && findings.figures.again == 2, "{findings:?}");
}

#[test]
fn exactly_once_a_message_has_one_end() {
    let mut read = well();
    read.extend([("b", What::DeadLetter), ("b", What::ErrorEvent)]);
    // Of the dead letters that of `b` is behind that of `x`.
    assert_eq!(broken(&found(Delivery::ExactlyOnce, &read)), [(Rule::Order, 1), (Rule::OneEnd, 1)]);
    // A repeat may have come to another end.
    let findings = found(Delivery::AtLeastOnce, &read);
    assert!(findings.are_well() && findings.figures.two_ends == 1, "{findings:?}");
    let mut read = well();
    read.push(("a", What::ErrorEvent));
    assert_eq!(broken(&found(Delivery::ExactlyOnce, &read)), [(Rule::OneEnd, 1)]);
}
