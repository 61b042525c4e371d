/* Says what an order costs. */
#include <math.h>

#include "cofferdam.h"

/* What a function returns here ends the attempt if it is a failure: a validation error puts the message into the dead letters
 * at once. */
static cofferdam_result price_of(const cofferdam_json *item, double *price) {
    int64_t quantity;
    if (!cofferdam_json_integer(cofferdam_json_member(item, "quantity"), &quantity) || quantity < 1 ||
        !cofferdam_json_number(cofferdam_json_member(item, "price"), price))
        return cofferdam_validation_error("an item has a price and a quantity of 1 or more");
    *price *= (double)quantity;
    return cofferdam_done();
}

static cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
    const cofferdam_json *order;
    COFFERDAM_TRY(cofferdam_message_json(message, &order));

    cofferdam_string id, customer;
    const cofferdam_json *items = cofferdam_json_member(order, "items");
    if (!cofferdam_json_string(cofferdam_json_member(order, "order"), &id) ||
        !cofferdam_json_string(cofferdam_json_member(order, "customer"), &customer) ||
        cofferdam_json_kind_of(items) != COFFERDAM_JSON_ARRAY || cofferdam_json_count(items) == 0)
        return cofferdam_validation_error("an order has an order, a customer, and items, at least one");

    double total = 0;
    for (size_t at = 0; at < cofferdam_json_count(items); at++) {
        double price;
        COFFERDAM_TRY(price_of(cofferdam_json_at(items, at), &price));
        total += price;
    }
    total = round(total * 100) / 100;
    cofferdam_log(COFFERDAM_INFO, "order %s costs %.2f", id.data, total);

    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_object(writer, NULL);
    cofferdam_json_add_string(writer, "order", id);
    cofferdam_json_add_string(writer, "customer", customer);
    cofferdam_json_add_number(writer, "total", total);
    cofferdam_json_end(writer);

    /* "out" is an output of the route in cofferdam.toml. */
    cofferdam_output *output = cofferdam_output_new(outputs, "out");
    cofferdam_output_set_key(output, id);
    cofferdam_output_set_json(output, writer);
    return cofferdam_done();
}

COFFERDAM_HANDLER(handle);
