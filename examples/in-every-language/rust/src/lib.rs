//! Adds value-added tax and shipping to orders.

use cofferdam_sdk::{Failure, Message, Output, config, handler, log};
use serde::{Deserialize, Serialize};

handler!(handle);

/// What the numbers of every language hold exactly, JavaScript's among them.
const MOST: i64 = (1 << 53) - 1;

/// What is filled in here stands behind what is read.
#[derive(Deserialize, Serialize)]
struct Order {
    order: String,
    customer: String,
    country: String,
    items: Vec<Item>,
    #[serde(skip_deserializing)]
    total_cents: i64,
    #[serde(skip_deserializing)]
    vat_cents: i64,
    #[serde(skip_deserializing)]
    shipping: &'static str,
}

#[derive(Deserialize, Serialize)]
struct Item {
    sku: String,
    quantity: i64,
    cents: i64,
    #[serde(skip_deserializing)]
    total_cents: i64,
}

/// Called for each message. What it returns is published before the message is acknowledged.
///
/// # Errors
/// `VALIDATION_ERROR` and `UNKNOWN_COUNTRY`, permanent: the message goes to the dead letters at once.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let mut order: Order = message.json()?; // what cannot be parsed is a VALIDATION_ERROR
    add_up(&mut order)?;

    let country = format!("vat.{}", order.country);
    let unknown = || Failure::permanent("UNKNOWN_COUNTRY", format!("no vat rate for {}", order.country));
    let rate = number(&country, &config::get(&country)?.ok_or_else(unknown)?)?;
    order.vat_cents = (order.total_cents * rate + 50) / 100;
    let free_from = number("free_shipping_cents", &config::require("free_shipping_cents")?)?;
    order.shipping = if order.total_cents >= free_from { "free" } else { "standard" };

    log::info(format_args!("order {}: {} cents with vat", order.order, order.total_cents + order.vat_cents));
    Ok(vec![Output::json("enriched", &order)?.key(order.order.as_str()).header("schema", "order/2")])
}

fn add_up(order: &mut Order) -> Result<(), Failure> {
    if order.items.is_empty() {
        return Err(Failure::validation("an order has an order, a customer, a country, and items, at least one"));
    }
    for item in &mut order.items {
        if !(1..=MOST).contains(&item.quantity) || !(0..=MOST).contains(&item.cents) {
            return Err(Failure::validation("an item has a sku, a quantity from 1 and cents from 0, both below 2^53"));
        }
        item.total_cents = item.quantity.saturating_mul(item.cents);
        order.total_cents = order.total_cents.saturating_add(item.total_cents);
    }
    if order.total_cents > MOST {
        return Err(Failure::validation("an order is for less than 2^53 cents"));
    }
    Ok(())
}

/// Deferred, because nothing is wrong with the message: it waits for somebody to mend the configuration.
fn number(name: &str, text: &str) -> Result<i64, Failure> {
    let invalid =
        |_| Failure::deferred("CONFIGURATION_INVALID", format!("the plugin's config has no number for \"{name}\""));
    text.parse().map_err(invalid)
}

#[cfg(test)]
mod tests;
