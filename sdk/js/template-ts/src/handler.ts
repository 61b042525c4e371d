import { type Message, Output, Permanent } from "cofferdam-sdk";

interface Order {
  order: string;
  customer: string;
  items: { sku: string; quantity: number; price: number }[];
}

/** Adds an order up. An order that cannot be right goes to the dead letters, with the reason. */
export function handle(message: Message): Output {
  const { order, customer, items } = checked(message.json());
  const sum = items.reduce((total, { quantity, price }) => total + quantity * price, 0);
  const total = Math.round(sum * 100) / 100; // 0.1 + 0.2 is no amount of money
  return Output.json("out", { order, customer, total }, { key: order });
}

/** Types are not there when the message comes: what the handler relies on is looked at. */
function checked(order: Order | null): Order {
  ensure(typeof order?.order === "string" && order.order !== "", "the order has no id");
  ensure(Array.isArray(order.items) && order.items.length > 0, `order ${order.order} has no items`);
  for (const item of order.items) {
    ensure(Number.isInteger(item?.quantity) && item.quantity >= 1, `order ${order.order} has an item with a quantity below 1`);
    ensure(typeof item.price === "number", `order ${order.order} has an item without a price`);
  }
  return order;
}

function ensure(holds: boolean, text: string): asserts holds {
  if (!holds) throw Permanent.validation(text);
}
