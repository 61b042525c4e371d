//! Twelve messages, one for each way a message can go wrong.

use serde_json::{Value, json};

use crate::event::{self, ITEM_REQUESTED};
use crate::orders::Order;

/// A message that goes wrong, and how.
pub(crate) struct Poison {
    /// The key of the message is `poison-<name>`.
    pub(crate) name: &'static str,
    what: What,
    /// How the first attempt at the order ends on the route `split-orders`.
    pub(crate) first: Ending,
    /// Where the trouble ends in the pipeline: none where the order is priced in full after all.
    pub(crate) dead_letter: Option<DeadLetter>,
}

enum What {
    /// Not what the envelope asks for.
    Raw(fn(&str) -> Value),
    /// An order of these articles.
    Articles(&'static [&'static str]),
    /// An order that asks the handler to misbehave in the way of its name.
    Simulated,
}

/// How an attempt ends.
pub(crate) struct Ending {
    pub(crate) outcome: &'static str,
    pub(crate) code: Option<&'static str>,
    /// The exit code of `cofferdam invoke`.
    pub(crate) exit: u8,
}

/// A record in the dead letters.
pub(crate) struct DeadLetter {
    pub(crate) broker: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) outcome: &'static str,
    pub(crate) code: &'static str,
    pub(crate) attempts: u8,
}

const DONE: Ending = Ending { outcome: "done", code: None, exit: 0 };

/// The item of `poison-unknown-article` that fails, counted from one.
const UNKNOWN_ITEM: usize = 2;

pub(crate) const ALL: &[Poison] = &[
    malformed("not-json", |_| json!("this is no JSON: {")),
    malformed("missing-field", |key| {
        let mut event = Order::poisoned(key, &["mug", "teapot"], None).event();
        event.shift_remove("type");
        Value::Object(event)
    }),
    Poison {
        name: "unknown-article",
        what: What::Articles(&["mug", "moon-cheese", "kettle"]),
        first: DONE,
        dead_letter: Some(DeadLetter {
            broker: "sqs",
            destination: "order-tasks-dlq.fifo",
            outcome: "permanent",
            code: "VALIDATION_ERROR",
            attempts: 1,
        }),
    },
    Poison {
        name: "retry-twice",
        what: What::Simulated,
        first: Ending { outcome: "retryable", code: Some("SERVICE_UNAVAILABLE"), exit: 75 },
        dead_letter: None,
    },
    broken("panic", "trapped", "TRAP_UNREACHABLE", 2),
    broken("endless-loop", "timed_out", "CPU_LIMIT", 3),
    broken("memory-bomb", "out_of_memory", "MEMORY_LIMIT", 2),
    broken("stack-overflow", "trapped", "TRAP_STACK_OVERFLOW", 2),
    broken("unknown-output", "contract_broken", "UNKNOWN_OUTPUT", 2),
    broken("too-many-outputs", "contract_broken", "TOO_MANY_OUTPUTS", 2),
    broken("exit", "contract_broken", "EXITED", 2),
    broken("too-large", "contract_broken", "OUTPUT_TOO_LARGE", 2),
];

const fn malformed(name: &'static str, payload: fn(&str) -> Value) -> Poison {
    let dead_letter = in_orders_dlq("malformed", "MALFORMED_ENVELOPE", 1);
    let first = Ending { outcome: "malformed", code: Some("MALFORMED_ENVELOPE"), exit: 65 };
    Poison { name, what: What::Raw(payload), first, dead_letter: Some(dead_letter) }
}

/// Breaks its bounds. A fault that repeats itself exactly is given up after two attempts, one of time after all three.
const fn broken(name: &'static str, outcome: &'static str, code: &'static str, attempts: u8) -> Poison {
    let first = Ending { outcome, code: Some(code), exit: 70 };
    Poison { name, what: What::Simulated, first, dead_letter: Some(in_orders_dlq(outcome, code, attempts)) }
}

const fn in_orders_dlq(outcome: &'static str, code: &'static str, attempts: u8) -> DeadLetter {
    DeadLetter { broker: "kafka", destination: "orders.placed.dlq", outcome, code, attempts }
}

impl Poison {
    pub(crate) fn key(&self) -> String {
        format!("poison-{}", self.name)
    }

    pub(crate) fn message(&self) -> Value {
        match (self.order(), &self.what) {
            (_, What::Raw(payload)) => event::message_of(&self.key(), payload(&self.key())),
            (Some(order), _) => order.message(),
            (None, What::Articles(_) | What::Simulated) => unreachable!("only raw poison is no order"),
        }
    }

    /// The order it is, once the envelope is off; none where there is no envelope to take off.
    fn order(&self) -> Option<Order> {
        match self.what {
            What::Raw(_) => None,
            What::Articles(articles) => Some(Order::poisoned(&self.key(), articles, None)),
            What::Simulated => Some(Order::poisoned(&self.key(), &["mug", "teapot"], Some(self.name))),
        }
    }

    /// The order that comes out priced in the end, in full or in part.
    pub(crate) fn priced(&self) -> Option<Order> {
        let is_split = self.dead_letter.as_ref().is_none_or(|dead_letter| dead_letter.broker == "sqs");
        self.order().filter(|_| is_split)
    }
}

/// The task of `poison-unknown-article` that fails, as `invoke` takes it: file name, message, and how it ends.
pub(crate) fn failing_task() -> (&'static str, Value, Ending) {
    let entity = "poison-unknown-article";
    let name = format!("item-{UNKNOWN_ITEM}");
    let data =
        json!({ "order_id": entity, "task_name": name, "total_tasks": 3, "article": "moon-cheese", "quantity": 1 });
    let attributes = [("taskname", name.as_str()), ("totaltasks", "3")];
    let id = format!("placed-{entity}/{}", UNKNOWN_ITEM - 1);
    let task = event::event(ITEM_REQUESTED, &id, entity, &attributes, data);
    let ending = Ending { outcome: "permanent", code: Some("VALIDATION_ERROR"), exit: 65 };
    ("unknown-article-task.json", event::message(&format!("{entity}-{name}"), task), ending)
}

/// All poison as files for `invoke`: file name and message.
pub(crate) fn files() -> Vec<(String, Value)> {
    let mut files: Vec<_> = ALL.iter().map(|poison| (format!("{}.json", poison.name), poison.message())).collect();
    let (name, message, _) = failing_task();
    files.push((name.to_owned(), message));
    files
}
