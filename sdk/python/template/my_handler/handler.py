"""Says what an order costs."""

import logging

from cofferdam_sdk import Message, Output, ValidationError, handler

logger = logging.getLogger(__name__)


@handler
def handle(message: Message) -> list[Output]:
    # What is raised ends the attempt: a ValidationError puts the message into the dead letters at once.
    match message.json():
        case {"order": str(order), "customer": str(customer), "items": [_, *_] as items}:
            total = round(sum(price_of(item) for item in items), 2)
        case _:
            raise ValidationError("an order has an order, a customer, and items, at least one")
    logger.info("order %s costs %s", order, total)
    # "out" is an output of the route in cofferdam.toml.
    return [Output.json("out", {"order": order, "customer": customer, "total": total}, key=order)]


def price_of(item: object) -> float:
    match item:
        # By type(), because true is an int as well.
        case {"quantity": quantity, "price": int(price) | float(price)} if type(quantity) is int and quantity >= 1:
            return quantity * float(price)
    raise ValidationError(f"an item has a price and a quantity of 1 or more: {item}")
