import { config, Deferred, log, Output, Permanent } from "cofferdam-sdk";

/** Adds value-added tax and shipping to an order. What cannot be right goes to the dead letters, with the reason. */
export function handle(message) {
  const { order, customer, country, items, total_cents } = checked(message.json());

  const rate = config.get(`vat.${country}`);
  if (rate === null) throw new Permanent("UNKNOWN_COUNTRY", `no vat rate for ${country}`);
  // Before it is divided, a percentage may be more than a number holds exactly.
  const vat = (BigInt(total_cents) * number(`vat.${country}`, rate) + 50n) / 100n;
  const free = total_cents >= number("free_shipping_cents", config.require("free_shipping_cents"));

  log.info(`order ${order}: ${BigInt(total_cents) + vat} cents with vat`);
  const enriched = { order, customer, country, items, total_cents, vat_cents: Number(vat), shipping: free ? "free" : "standard" };
  return Output.json("enriched", enriched, { key: order, headers: [["schema", "order/2"]] });
}

/** What the handler relies on, and no other members. */
function checked(value) {
  const { order, customer, country, items } = value ?? {};
  const texts = [order, customer, country].every((text) => typeof text === "string");
  ensure(texts && Array.isArray(items) && items.length > 0, "an order has an order, a customer, a country, and items, at least one");
  const priced = items.map(pricedItem);
  const total_cents = priced.reduce((sum, item) => sum + item.total_cents, 0);
  ensure(Number.isSafeInteger(total_cents), "an order is for less than 2^53 cents");
  return { order, customer, country, items: priced, total_cents };
}

function pricedItem(item) {
  const { sku, quantity, cents } = item ?? {};
  ensure(
    typeof sku === "string" && Number.isSafeInteger(quantity) && quantity >= 1 && Number.isSafeInteger(cents) && cents >= 0,
    "an item has a sku, a quantity from 1 and cents from 0, both below 2^53",
  );
  return { sku, quantity, cents, total_cents: quantity * cents };
}

function ensure(holds, text) {
  if (!holds) throw Permanent.validation(text);
}

/** Deferred, because nothing is wrong with the message: it waits for somebody to mend the configuration. */
function number(name, text) {
  try {
    return BigInt(text);
  } catch {
    throw new Deferred("CONFIGURATION_INVALID", `the plugin's config has no number for "${name}"`);
  }
}
