//! Orders that are in order.

use serde_json::{Map, Value, json};

use crate::event::{self, ORDER_PLACED};
use crate::random::Random;

/// Articles with their prices in cents: the price list in `cofferdam.toml`, which a test compares.
pub(crate) const PRICES: [(&str, u64); 8] = [
    ("black-tea", 420),
    ("espresso", 1150),
    ("filter-paper", 320),
    ("green-tea", 480),
    ("kettle", 3990),
    ("mug", 950),
    ("oolong", 690),
    ("teapot", 2750),
];

/// Changing it changes every order.
const SEED: u64 = 2026;

/// An order with what it comes to.
pub(crate) struct Order {
    id: String,
    time: Option<String>,
    customer: String,
    items: Vec<Item>,
    simulate: Option<&'static str>,
}

struct Item {
    article: &'static str,
    quantity: u64,
}

/// So many orders, `order-0001` and so on, of two to four items each.
pub(crate) fn make(count: usize) -> Vec<Order> {
    let mut random = Random::new(SEED);
    (1..=count).map(|number| Order::random(number, &mut random)).collect()
}

impl Order {
    fn random(number: usize, random: &mut Random) -> Self {
        let seconds = 7 * number;
        let items =
            (0..random.between(2, 4)).map(|_| Item { article: random.pick(&PRICES).0, quantity: random.between(1, 5) });
        let items = items.collect();
        Self {
            id: format!("order-{number:04}"),
            time: Some(format!("2026-01-05T{:02}:{:02}:{:02}Z", 8 + seconds / 3600, seconds / 60 % 60, seconds % 60)),
            customer: format!("customer-{:03}", random.between(1, 200)),
            items,
            simulate: None,
        }
    }

    /// An order of these articles, one of each, that asks the handler to misbehave.
    pub(crate) fn poisoned(id: &str, articles: &[&'static str], simulate: Option<&'static str>) -> Self {
        let items = articles.iter().map(|article| Item { article, quantity: 1 }).collect();
        Self { id: id.to_owned(), time: None, customer: "customer-000".to_owned(), items, simulate }
    }

    pub(crate) fn tasks(&self) -> usize {
        self.items.len()
    }

    /// What the items come to that are in the price list.
    pub(crate) fn total_cents(&self) -> u64 {
        let price = |article| PRICES.iter().find(|(known, _)| *known == article).map_or(0, |(_, price)| *price);
        self.items.iter().map(|item| item.quantity * price(item.article)).sum()
    }

    pub(crate) fn message(&self) -> Value {
        event::message(&self.id, self.event())
    }

    pub(crate) fn event(&self) -> Map<String, Value> {
        let items: Vec<Value> =
            self.items.iter().map(|item| json!({ "article": item.article, "quantity": item.quantity })).collect();
        let mut data = json!({ "order_id": self.id, "customer": self.customer, "items": items });
        if let Some(simulate) = self.simulate {
            data["simulate"] = json!(simulate);
        }
        let time = self.time.as_deref().map(|time| ("time", time));
        event::event(ORDER_PLACED, &format!("placed-{}", self.id), &self.id, time.as_slice(), data)
    }
}
