//! The report as text.

use std::fmt::Write as _;

use crate::broker;
use crate::verify::{Line, NetworkEffects, Report, Verdict};

/// Returns the report: each guarantee, its violations, and the figures.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for line in &report.promises {
        promise(&mut text, line);
    }
    figures(&mut text, report);
    text
}

fn promise(text: &mut String, line: &Line) {
    let (word, checks) = match line.verdict {
        Verdict::Held => ("held", format!(" ({} checks)", line.checked + line.simulated)),
        Verdict::Broken => {
            ("VIOLATED", format!(" ({} times in {} checks)", line.broken, line.checked + line.simulated))
        }
        Verdict::NotChecked => ("not checked", String::new()),
    };
    push(text, &format!("{word:<11}  {}{checks}", line.promise));
    for shown in &line.shown {
        push(text, &format!("             {}", shown.escape_debug()));
    }
}

fn figures(text: &mut String, report: &Report) {
    let (course, judged) = (&report.course, &report.judged);
    let faults: Vec<String> = course.faults.iter().map(|(fault, count)| format!("{count} {}", fault.words())).collect();
    let on = |kind: &&broker::Kind| {
        format!("{} on {}", course.messages.get(kind.name).copied().unwrap_or_default(), kind.verify.title)
    };
    let written: Vec<String> = broker::ALL.iter().map(on).collect();
    push(text, "");
    push(
        text,
        &format!(
            "messages      {}; {} handled, {} stored as dead letters, {} outstanding",
            written.join(", "),
            judged.handled,
            judged.dead_lettered,
            judged.outstanding
        ),
    );
    push(text, &format!("faults        {}: {}", course.faults.values().sum::<u32>(), faults.join(", ")));
    let network = &course.network;
    if *network != NetworkEffects::default() {
        push(
            text,
            &format!(
                "network       {} connections reset, {} answers lost; {} requests and {} answers held, {} delayed",
                network.cut, network.answers_lost, network.requests_held, network.answers_held, network.delayed
            ),
        );
        if network.unread > 0 {
            push(text, &format!("              {} answers with broker addresses could not be parsed", network.unread));
        }
    }
    for why in &course.left_out {
        push(text, &format!("              {why}"));
    }
    push(
        text,
        &format!(
            "repeats       {} handled again, {} were in flight at a fault; {} effects found more than once",
            judged.repeats, judged.at_risk, judged.found_again
        ),
    );
    let readers = &report.readers;
    push(
        text,
        &format!(
            "readers       {} outputs, dead letters and error events, {} of them duplicates; {} messages with outputs and a dead letter",
            readers.read, readers.again, readers.two_ends
        ),
    );
    push(
        text,
        &format!(
            "time          {:.0} s, {:.0} messages per second with {} hosts",
            course.seconds, report.messages_per_second, course.hosts
        ),
    );
    if course.peak.resident_bytes > 0 {
        push(
            text,
            &format!(
                "each host     at most {:.0} MiB of memory and {} file descriptors",
                course.peak.resident_bytes as f64 / f64::from(1 << 20),
                course.peak.descriptors
            ),
        );
    }
    push(text, &format!("seed          {}", course.seed));
    if let Some(journals) = &report.journals {
        push(text, &format!("history       {}", journals.display()));
    }
    push(text, "");
    text.push_str(if report.held { "all checked guarantees held" } else { "A GUARANTEE WAS VIOLATED" });
}

fn push(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", line.trim_end()); // a string takes all text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verify::{Course, Delivery, Fault, Figures, Foreign};

    fn line(number: Option<u8>, promise: &str, verdict: Verdict, broken: u64, shown: &[&str]) -> Line {
        let shown = shown.iter().map(|text| (*text).to_owned()).collect();
        Line { number, promise: promise.to_owned(), verdict, checked: 5_000, simulated: 20_000, broken, shown }
    }

    fn report(held: bool) -> Report {
        let broken = if held { (Verdict::Held, 0, &[][..]) } else { (Verdict::Broken, 2, &["t/0/7: gone\n"][..]) };
        Report {
            held,
            promises: vec![
                line(Some(1), "nothing is acknowledged before its effects are durable", Verdict::Held, 0, &[]),
                line(Some(9), "a plugin swap loses nothing", Verdict::NotChecked, 0, &[]),
                line(None, "nothing is lost", broken.0, broken.1, broken.2),
            ],
            course: Course {
                name: "cofferdam-verify-1a2b".into(),
                delivery: Delivery::AtLeastOnce,
                seed: 7,
                hosts: 2,
                messages: BTreeMap::from([("kafka".into(), 950), ("sqs".into(), 50)]),
                faults: BTreeMap::from([(Fault::Kill, 3), (Fault::LoseAnswers, 1)]),
                network: NetworkEffects { cut: 2, answers_lost: 7, answers_held: 3, ..NetworkEffects::default() },
                left_out: vec!["network faults: left out, the endpoint of SQS is not an http:// address".into()],
                seconds: 20.0,
                peak: Figures { resident_bytes: 54 << 20, descriptors: 56 },
                failures: Vec::new(),
                foreign: Foreign::default(),
            },
            messages_per_second: 50.0,
            judged: cofferdam_guarantees::Figures {
                handled: 980,
                dead_lettered: 20,
                repeats: 31,
                at_risk: 120,
                found_again: 33,
                ..Default::default()
            },
            readers: cofferdam_checker::Figures { read: 1_010, again: 33, two_ends: 1 },
            simulated: None,
            journals: (!held).then(|| "/tmp/cofferdam-verify-1a2b".into()),
        }
    }

    #[test]
    fn a_run_in_which_everything_was_held() {
        insta::assert_snapshot!(text(&report(true)), @r"
        held         nothing is acknowledged before its effects are durable (25000 checks)
        not checked  a plugin swap loses nothing
        held         nothing is lost (25000 checks)

        messages      950 on Kafka, 50 on SQS; 980 handled, 20 stored as dead letters, 0 outstanding
        faults        4: 3 kill -9, 1 answers lost
        network       2 connections reset, 7 answers lost; 0 requests and 3 answers held, 0 delayed
                      network faults: left out, the endpoint of SQS is not an http:// address
        repeats       31 handled again, 120 were in flight at a fault; 33 effects found more than once
        readers       1010 outputs, dead letters and error events, 33 of them duplicates; 1 messages with outputs and a dead letter
        time          20 s, 50 messages per second with 2 hosts
        each host     at most 54 MiB of memory and 56 file descriptors
        seed          7

        all checked guarantees held
        ");
    }

    #[test]
    fn a_broken_promise_is_shown_with_what_broke_it_and_where_the_history_is() {
        insta::assert_snapshot!(text(&report(false)), @r"
        held         nothing is acknowledged before its effects are durable (25000 checks)
        not checked  a plugin swap loses nothing
        VIOLATED     nothing is lost (2 times in 25000 checks)
                     t/0/7: gone\n

        messages      950 on Kafka, 50 on SQS; 980 handled, 20 stored as dead letters, 0 outstanding
        faults        4: 3 kill -9, 1 answers lost
        network       2 connections reset, 7 answers lost; 0 requests and 3 answers held, 0 delayed
                      network faults: left out, the endpoint of SQS is not an http:// address
        repeats       31 handled again, 120 were in flight at a fault; 33 effects found more than once
        readers       1010 outputs, dead letters and error events, 33 of them duplicates; 1 messages with outputs and a dead letter
        time          20 s, 50 messages per second with 2 hosts
        each host     at most 54 MiB of memory and 56 file descriptors
        seed          7
        history       /tmp/cofferdam-verify-1a2b

        A GUARANTEE WAS VIOLATED
        ");
    }
}
