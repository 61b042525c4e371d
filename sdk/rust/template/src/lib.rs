//! Adds up orders: what is not an order, or has no items, is refused.

use cofferdam_sdk::{Failure, Message, Output, handler, log};
use serde::{Deserialize, Serialize};

handler!(handle);

#[derive(Deserialize)]
struct Order {
    order: String,
    customer: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: i64,
    price: f64,
}

#[derive(Serialize)]
struct Priced<'a> {
    order: &'a str,
    customer: &'a str,
    total: f64,
}

/// Called for each message. What it returns is published before the message is acknowledged.
///
/// # Errors
/// `VALIDATION_ERROR`, permanent: the message goes to the dead letters at once.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let order: Order = message.json()?; // what cannot be parsed is a VALIDATION_ERROR
    if order.items.is_empty() {
        return Err(Failure::validation(format!("order {} has no items", order.order)));
    }
    if let Some(item) = order.items.iter().find(|item| item.quantity < 1) {
        return Err(Failure::validation(format!("order {}: a quantity of {}", order.order, item.quantity)));
    }
    let total = order.items.iter().map(|item| item.quantity as f64 * item.price).sum();
    log::info(format_args!("order {} is {total}", order.order));
    let priced = Priced { order: &order.order, customer: &order.customer, total };
    Ok(vec![Output::json("out", &priced)?.key(order.order.as_str())])
}

#[cfg(test)]
mod tests {
    use cofferdam_sdk::test::message;

    use super::*;

    #[test]
    fn an_order_is_added_up() {
        let order = r#"{"order": "o-1", "customer": "Ada", "items": [{"sku": "a", "quantity": 2, "price": 2.5}]}"#;
        let outputs = handle(message().payload(order).build()).expect("it is an order");
        assert_eq!(outputs[0].key.as_deref(), Some(&b"o-1"[..]));
        let payload = outputs[0].payload.as_deref().expect("a payload");
        assert_eq!(std::str::from_utf8(payload), Ok(r#"{"order":"o-1","customer":"Ada","total":5.0}"#));
    }

    #[test]
    fn an_order_without_items_is_refused() {
        let refused = handle(message().payload(r#"{"order": "o-1", "customer": "Ada", "items": []}"#).build());
        assert_eq!(refused, Err(Failure::validation("order o-1 has no items")));
    }
}
