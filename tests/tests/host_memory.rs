//! The memory of a host stays near its bounds, however much its handlers make of little, and is given back.

use std::time::Duration;

use kit::{Probe, eventually};

const LONG: Duration = Duration::from_secs(120);
/// Small ones; each leads to an output of [`OUTPUT`] kB, together far more than `in_flight.bytes` (64 MiB).
const RECORDS: usize = 400;
const OUTPUT: usize = 900;
/// Slower than any handler, bytes in a second.
const SLOW: u32 = 30_000_000;
/// The outputs that the bound lets be (without it an optimised host took 355 to 375 MiB), those of the attempts that run, what clients have on its way, and the program.
const PEAK: u64 = 280 << 20;
/// What is left when nothing is in flight.
const AT_REST: u64 = 150 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_makes_much_of_little_fills_no_more_than_the_bytes_in_flight() {
    let Some(kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let probe = Probe::new(&kafka, 1).await;
    let records = (0..RECORDS).map(|number| {
        let payload = format!(r#"{{"do":"expand","times":{OUTPUT},"number":{number}}}"#);
        kit::Record::new(payload).key(number.to_string())
    });
    kafka.produce(&probe.input, records).await;
    kafka.gate().throttle(Some(SLOW));
    let mut host = probe.host(&kafka.through(), "", "").start();
    let all = async || (kafka.ends(&probe.output).await[&0] >= RECORDS as i64).then_some(());
    eventually("an output of each record", LONG, all).await;
    let peak = host.peak_memory();
    assert!(peak < PEAK, "{} MiB at the peak", peak >> 20);
    let small = async || (host.memory() < AT_REST).then_some(());
    eventually("free memory is given back", LONG, small).await;
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}
