//! What endless loops cost everybody else.

use std::time::Duration;

use anyhow::Context;
use kit::eventually;

use crate::course::{Contestant, Course};
use crate::pace::{Kind, Pace};
use crate::report::{Bound, Report};
use crate::{Effort, load};

const PARTITIONS: i32 = 4;

/// Messages a second, those that never end among them. A loop burns its 100 ms of processor time whatever the host does, at
/// 1 % that is a millisecond for each message: at this pace half a core. A host of two cores can keep it with ease; where
/// everything came at once, the loops would take all there is, and the figure would be theirs.
const RATE: u32 = 500;
/// One in so many never ends.
const SHARE: u32 = 100;

/// How long the last loop may take to become a dead letter.
const LONG: Duration = Duration::from_secs(60);

const POISON: &str = "Cofferdam, 1 % endless loops";
const HEALTHY: &str = "Cofferdam, none of them";

/// What the same host is offered, in turns.
const OFFERS: [Offer; 2] = [Offer { name: HEALTHY, kind: healthy }, Offer { name: POISON, kind: poisoned }];

struct Offer {
    name: &'static str,
    kind: fn(u32) -> Kind,
}

/// Not `wall_time` too: on a machine that is busy elsewhere it ends others as well, which only lack a processor.
const CONTESTANT: Contestant =
    Contestant::Cofferdam { plugin: r#"limits = { cpu_time = "100ms" }"#, route: "retry = { max_attempts = 1 }" };

const OTHERS: &str = "other messages/s";
const PERCENTILES: [(&str, f64); 3] = [("p50 ms", 50.0), ("p99 ms", 99.0), ("p99.9 ms", 99.9)];
const CPU: &str = "CPU us/other message";

/// Measures with and without.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let messages = effort.of(15_000).max(5 * SHARE); // some loops in any case
    let work = format!(
        "{RATE} messages a second of 1 KiB, {} keys, {PARTITIONS} partitions, offered at that pace whoever may be slow (open \
         loop). 1 % of them, at uneven distances and each with a key of its own, never end; beside it the same without those. \
         The plugin's `cpu_time` is 100 ms, the route's `max_attempts` 1, everything else is as it is by default. \
         A loop burns its 100 ms of processor time, which is a millisecond for each message and half a core at this pace: \
         were there no pace, the loops would take both cores, whatever a host does. So the figure says whether all the \
         others come out as fast as they come in, and the percentiles what they wait for. {messages} messages, a fifth of \
         them to warm up; each one that never ends is found among the dead letters.",
        load::KEYS
    );
    let mut report = Report::new("poison", work);
    for _ in 0..effort.rounds {
        for Offer { name, kind } in OFFERS {
            let pace = Pace { rate: RATE, messages, warm_up: messages / 5, kind };
            let input = kafka.topic("bench-in", PARTITIONS).await;
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let dead_letters = format!("{input}.dlq");
            kafka.create_topic(&dead_letters, 1).await;
            let course = Course { kafka, input: &input, output: &output };
            let host = course.start(CONTESTANT)?;
            let passed = pace.measure(&course, &host).await.context(name)?;
            let loops = (0..messages).filter(|number| kind(*number) == Kind::Loop).count();
            let dead = eventually("each loop is a dead letter", LONG, async || {
                let dead = usize::try_from(kafka.ends(&dead_letters).await.values().sum::<i64>()).ok()?;
                (dead >= loops).then_some(dead)
            });
            let dead = dead.await;
            anyhow::ensure!(dead == loops, "{name}: {dead} dead letters of {loops} loops");
            drop(host);
            for topic in [input, output, dead_letters] {
                kafka.delete_topic(&topic).await;
            }
            report.add(name, OTHERS, passed.rate);
            for (metric, percentile) in PERCENTILES {
                report.add(name, metric, passed.latency_ms(percentile));
            }
            report.add(name, CPU, passed.cpu_us);
            eprintln!("{name}: {:.0} others/s, p99 {:.2} ms", passed.rate, passed.latency_ms(99.0));
        }
    }
    report.goal(OTHERS, POISON, Some(HEALTHY), Bound::AtLeast(0.95));
    Ok(report)
}

fn poisoned(number: u32) -> Kind {
    if is_chosen(number) { Kind::Loop } else { Kind::Plain }
}

fn healthy(number: u32) -> Kind {
    if is_chosen(number) { Kind::Absent } else { Kind::Plain }
}

/// One of each hundred, at any place: at even distances no two loops would ever run at once.
fn is_chosen(number: u32) -> bool {
    let hundred = number / SHARE;
    let noise = hundred.wrapping_add(1).wrapping_mul(0x9E37_79B9); // the golden ratio: multiples of it are spread evenly
    number % SHARE == (noise >> 16) % SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_never_ends_and_some_come_close_together() {
        let chosen: Vec<u32> = (0..10_000).filter(|number| is_chosen(*number)).collect();
        assert_eq!(chosen.len(), 100);
        // Fifty messages are the 100 ms that a loop takes.
        assert!(chosen.windows(2).any(|pair| pair[1] - pair[0] < 50), "{chosen:?}");
    }
}
