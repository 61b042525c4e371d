//! The table of outcomes, row by row.

use super::*;

const FIRST: DeliveryFacts = DeliveryFacts { attempt: 1, same_fault: 1, age: Duration::ZERO, chance: 0.5 };
const SECOND: Verdict = Verdict::Retry(Duration::from_secs(1));
const STORED: Verdict = Verdict::DeadLetter(Reason::Permanent);

fn judged(class: Class, facts: DeliveryFacts) -> Verdict {
    judge(&Failure::new(class, Code::of_handler("SOME"), ""), facts, &Policy::default())
}

#[test]
fn each_class_gets_the_verdict_of_the_table() {
    let rows = [
        (Class::Retryable, SECOND),
        (Class::Permanent, STORED),
        (Class::Deferred, Verdict::Defer(Duration::from_secs(1))),
        (Class::Malformed, STORED),
        (Class::Unrouted, STORED),
        (Class::Trapped, SECOND),
        (Class::OutOfMemory, SECOND),
        (Class::TimedOut, SECOND),
        (Class::ContractBroken, SECOND),
        (Class::HostFault, Verdict::Hold),
        (Class::Revoked, Verdict::Forget),
    ];
    for (class, verdict) in rows {
        assert_eq!(judged(class, FIRST), verdict, "{class}");
    }
}

#[test]
fn attempts_used_up_is_a_dead_letter() {
    let last = DeliveryFacts { attempt: 5, ..FIRST };
    for class in [Class::Retryable, Class::Trapped, Class::OutOfMemory, Class::TimedOut, Class::ContractBroken] {
        assert_eq!(judged(class, last), Verdict::DeadLetter(Reason::AttemptsExhausted), "{class}");
    }
    assert_eq!(judged(Class::HostFault, last), Verdict::Hold);
}

#[test]
fn the_same_fault_twice_in_a_row_is_permanent_for_what_the_sandbox_caught() {
    let twice = DeliveryFacts { attempt: 2, same_fault: 2, ..FIRST };
    for class in [Class::Trapped, Class::OutOfMemory, Class::ContractBroken] {
        assert_eq!(judged(class, twice), Verdict::DeadLetter(Reason::SameFault), "{class}");
    }
    for class in [Class::Retryable, Class::TimedOut] {
        assert_eq!(judged(class, twice), Verdict::Retry(Duration::from_secs(2)), "{class}");
    }
}

#[test]
fn a_deferred_message_waits_as_asked_until_it_is_too_old() {
    let mut failure = Failure::new(Class::Deferred, Code::of_handler("LATER"), "");
    failure.retry_after = Some(Duration::from_secs(600));
    let policy = Policy::default();
    let many = DeliveryFacts { attempt: 99, ..FIRST };
    assert_eq!(judge(&failure, many, &policy), Verdict::Defer(Duration::from_secs(600)));
    let old = DeliveryFacts { age: Duration::from_secs(3_001), ..FIRST };
    assert_eq!(judge(&failure, old, &policy), Verdict::DeadLetter(Reason::TooOld));
}

#[test]
fn a_route_says_what_becomes_of_what_it_does_not_take() {
    let failure = Failure::new(Class::Unrouted, Code::NO_ROUTE, "");
    let rows = [(Unrouted::DeadLetter, STORED), (Unrouted::Ignore, Verdict::Ignore), (Unrouted::Stop, Verdict::Stop)];
    for (unrouted, verdict) in rows {
        assert_eq!(judge(&failure, FIRST, &Policy { unrouted, ..Policy::default() }), verdict);
    }
}

#[test]
fn a_route_can_move_any_code_but_not_what_the_host_owes() {
    let code = Code::of_handler("DUPLICATE_MESSAGE");
    let moved = |to| Policy { codes: [(code.clone(), to)].into(), ..Policy::default() };
    let of = |class| Failure::new(class, code.clone(), "");
    assert_eq!(judge(&of(Class::Permanent), FIRST, &moved(Moved::Retryable)), SECOND);
    assert_eq!(judge(&of(Class::Retryable), FIRST, &moved(Moved::Permanent)), STORED);
    assert_eq!(judge(&of(Class::HostFault), FIRST, &moved(Moved::Permanent)), Verdict::Hold);
}
