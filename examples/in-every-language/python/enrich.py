"""Adds value-added tax and shipping to orders."""

import logging

from cofferdam_sdk import Deferred, Message, Output, Permanent, ValidationError, config, handler

# What the numbers of every language hold exactly, JavaScript's among them.
MOST = 2**53 - 1


@handler
def handle(message: Message) -> list[Output]:
    match message.json():
        case {"order": str(order), "customer": str(customer), "country": str(country), "items": [_, *_] as items}:
            items = [priced(item) for item in items]
        case _:
            raise ValidationError("an order has an order, a customer, a country, and items, at least one")
    total = sum(item["total_cents"] for item in items)
    if total > MOST:
        raise ValidationError("an order is for less than 2^53 cents")

    rate = config.get(f"vat.{country}")
    if rate is None:
        raise Permanent("UNKNOWN_COUNTRY", f"no vat rate for {country}")
    vat = (total * number(f"vat.{country}", rate) + 50) // 100
    free_from = number("free_shipping_cents", config.require("free_shipping_cents"))

    logging.info("order %s: %d cents with vat", order, total + vat)
    enriched = {
        "order": order,
        "customer": customer,
        "country": country,
        "items": items,
        "total_cents": total,
        "vat_cents": vat,
        "shipping": "free" if total >= free_from else "standard",
    }
    return [Output.json("enriched", enriched, key=order, headers={"schema": "order/2"})]


def priced(item: object) -> dict[str, object]:
    match item:
        # By type(), because true is an int as well.
        case {"sku": str(sku), "quantity": quantity, "cents": cents} if (
            type(quantity) is type(cents) is int and 1 <= quantity <= MOST and 0 <= cents <= MOST
        ):
            return {"sku": sku, "quantity": quantity, "cents": cents, "total_cents": quantity * cents}
    raise ValidationError("an item has a sku, a quantity from 1 and cents from 0, both below 2^53")


def number(name: str, text: str) -> int:
    """Deferred, because nothing is wrong with the message: it waits for somebody to mend the configuration."""
    try:
        return int(text)
    except ValueError:
        raise Deferred("CONFIGURATION_INVALID", f'the plugin\'s config has no number for "{name}"') from None
