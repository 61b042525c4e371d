//! The memory of a host stays near its limit, even if small messages lead to large outputs, and is released afterwards.

use std::time::Duration;

use kit::{Probe, eventually};

const LONG: Duration = Duration::from_secs(120);
/// Small records; each leads to an output of [`OUTPUT`] kB. Together the outputs are far above the limit.
const RECORDS: usize = 100;
const OUTPUT: usize = 900;
const BOUND: &str = "max_in_flight = { bytes = \"8MiB\" }\nconcurrency = 2";
/// Bytes per second, slower than any handler, until [`FEW`] outputs are written: meanwhile all records could be
/// handled.
const SLOW: u32 = 1_000_000;
const FEW: i64 = 15;
/// The route holds if a publication is unconfirmed for 3 s and `linger.ms`: not before all records are handled.
const PATIENT: &str = "\"linger.ms\" = \"30000\"";
/// The program, the outputs within the limit, and those of two attempts.
const PEAK: u64 = 95 << 20;
/// Memory when nothing is in flight.
const AT_REST: u64 = 90 << 20;

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
    let mut host = probe.host(&kafka.through(), PATIENT, BOUND).start();
    let are_there = async |count| {
        let there = async || (kafka.ends(&probe.output).await[&0] >= count).then_some(());
        eventually("outputs", LONG, there).await;
    };
    are_there(FEW).await;
    kafka.gate().throttle(None);
    are_there(RECORDS as i64).await;
    let peak = host.peak_memory();
    assert!(peak < PEAK, "{} MiB at the peak", peak >> 20);
    let small = async || (host.memory() < AT_REST).then_some(());
    eventually("free memory is given back", LONG, small).await;
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}
