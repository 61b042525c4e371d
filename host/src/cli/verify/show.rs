//! A report as text, for people.

use std::fmt::Write as _;

use crate::verify::{Line, Report, Verdict};

/// The report: each promise, what broke it, and the figures.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for line in &report.promises {
        promise(&mut text, line);
    }
    figures(&mut text, report);
    text
}

fn promise(text: &mut String, line: &Line) {
    let number = line.number.map_or_else(|| " ".to_owned(), |number| number.to_string());
    let (word, checks) = match line.verdict {
        Verdict::Held => ("held", format!(" ({} checks)", line.checked)),
        Verdict::Broken => ("BROKEN", format!(" ({} times in {} checks)", line.broken, line.checked)),
        Verdict::NotChecked => ("not checked", String::new()),
    };
    push(text, &format!("{number}  {word:<11}  {}{checks}", line.promise));
    for shown in &line.shown {
        push(text, &format!("                {}", shown.escape_debug()));
    }
}

fn figures(text: &mut String, report: &Report) {
    let (course, judged) = (&report.course, &report.judged);
    let faults: Vec<String> = course.faults.iter().map(|(fault, count)| format!("{count} {}", fault.words())).collect();
    push(text, "");
    push(
        text,
        &format!(
            "messages      {} on Kafka, {} on SQS; {} handled, {} stored as errors, {} outstanding",
            course.messages.kafka, course.messages.sqs, judged.handled, judged.dead_lettered, judged.outstanding
        ),
    );
    push(text, &format!("faults        {}: {}", course.faults.values().sum::<u32>(), faults.join(", ")));
    push(
        text,
        &format!(
            "repeats       {} handled again, {} were in flight at a fault; {} effects found more than once",
            judged.repeats, judged.at_risk, judged.found_again
        ),
    );
    push(
        text,
        &format!(
            "time          {:.0} s, {:.0} messages a second with {} hosts",
            course.seconds, report.messages_per_second, course.hosts
        ),
    );
    if course.peak.resident_bytes > 0 {
        push(
            text,
            &format!(
                "each host     {:.0} MiB of memory and {} descriptors at most",
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
    text.push_str(if report.held { "every promise that was checked was held" } else { "A PROMISE WAS BROKEN" });
}

fn push(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", line.trim_end()); // a string takes all text
}
