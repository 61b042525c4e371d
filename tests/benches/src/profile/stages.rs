//! Which stage of a message a function belongs to.

/// The stages, in the order in which a message comes through them; then what belongs to no message.
pub(super) const NAMES: [&str; 12] = [
    "fetch",
    "decode",
    "take in",
    "admit",
    "call",
    "instantiate",
    "judge",
    "publish",
    "commit and settle",
    "hand over",
    "count",
    "tick the epoch",
];

/// A part of a function's name, and the stage that it stands for. The first that fits counts.
const FUNCTIONS: &[(&str, &str)] = &[
    // librdkafka's thread for a broker serves both directions.
    ("rd_kafka_snappy_compress", "publish"),
    ("rd_kafka_msgset_writer", "publish"),
    ("rd_kafka_msgset_create_ProduceRequest", "publish"),
    ("rd_kafka_ProduceRequest", "publish"),
    ("rd_kafka_toppar_producer_serve", "publish"),
    ("rd_kafka_handle_Produce", "publish"),
    ("rd_kafka_dr_msgq", "publish"),
    ("rd_kafka_producev", "publish"),
    ("rd_kafka_transport_send", "publish"),
    ("rd_kafka_send", "publish"),
    ("rd_kafka_msgset_reader", "fetch"),
    ("rd_kafka_msgset_parse", "fetch"),
    ("rd_kafka_handle_Fetch", "fetch"),
    ("rd_kafka_fetch_reply_handle", "fetch"),
    ("rd_kafka_broker_fetch_toppars", "fetch"),
    ("rd_kafka_broker_consumer_serve", "fetch"),
    ("rd_kafka_recv", "fetch"),
    ("rd_kafka_message_headers", "decode"),
    // Ours.
    ("source::kafka::record", "decode"),
    ("cofferdam_core::route::Route::admit", "admit"),
    ("cofferdam_core::route::trace::of", "admit"),
    ("run::plugin::Plugin::instance", "instantiate"),
    ("InstancePre", "instantiate"),
    ("instantiate", "instantiate"),
    ("PoolingInstanceAllocator", "instantiate"),
    ("contract::lower", "call"),
    ("contract::lift", "call"),
    ("component::func", "call"),
    ("wasmtime_internal_fiber", "call"),
    // Not where it is the type of a parameter, as in `Flow<Plugin>`.
    ("run::plugin::Plugin::", "call"),
    ("run::instance", "call"),
    // The guest itself, on a stack of its own that does not show who called.
    ("wasm[", "call"),
    ("workers::Shared<H>>::conclude", "judge"),
    ("cofferdam_core::route::outputs", "judge"),
    ("machine::intake", "take in"),
    ("machine::attempt", "judge"),
    ("machine::publish", "commit and settle"),
    ("machine::acknowledge", "commit and settle"),
    ("machine::commit", "commit and settle"),
    ("drop_in_place<cofferdam_core::machine::delivery::Delivery>", "commit and settle"),
    ("flow::publish", "publish"),
    ("sink::", "publish"),
    ("telemetry::", "count"),
    ("metrics_util", "count"),
    ("metrics_exporter", "count"),
    ("Machine::handle", "take in"),
    ("workers::", "hand over"),
    ("flow::", "hand over"),
    // Those of the bare loop.
    ("bare::guest", "call"),
    ("bare::window::delivered", "commit and settle"),
    ("bare::watermark", "commit and settle"),
    ("Clients::commit", "commit and settle"),
    ("Clients::take", "fetch"),
    ("rd_kafka_consume_batch_queue", "fetch"),
    ("Clients::pass_on", "publish"),
    ("bare::window::handle", "decode"),
    ("bare::", "fetch"),
    ("source::kafka", "hand over"),
    ("tokio::", "hand over"),
];

/// What a thread does where no function says so.
const THREADS: &[(&str, &str)] = &[
    ("epoch", "tick the epoch"),
    ("metrics", "count"),
    ("producer", "publish"),
    ("rdk:broker", "fetch"),
    ("kafka-", "decode"),
    ("guest", "call"),
];

/// The stage of a sample: its thread, and its functions, the innermost first.
pub(super) fn of(thread: &str, functions: &[&str]) -> &'static str {
    let stage = |function: &&str| FUNCTIONS.iter().find(|(part, _)| function.contains(part)).map(|(_, stage)| *stage);
    let of_thread = || THREADS.iter().find(|(name, _)| thread.starts_with(name)).map(|(_, stage)| *stage);
    functions.iter().find_map(stage).or_else(of_thread).unwrap_or("hand over")
}
