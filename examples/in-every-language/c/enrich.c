/* Adds value-added tax and shipping to orders. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cofferdam.h"

/* What the numbers of every language hold exactly, JavaScript's among them. */
#define MOST ((INT64_C(1) << 53) - 1)

/* Writes an item, and adds it to the total, which stops above what is allowed instead of running over. */
static cofferdam_result add_item(const cofferdam_json *item, cofferdam_json_writer *writer, int64_t *total) {
    cofferdam_string sku;
    int64_t quantity, cents;
    if (!cofferdam_json_string(cofferdam_json_member(item, "sku"), &sku) ||
        !cofferdam_json_integer(cofferdam_json_member(item, "quantity"), &quantity) || quantity < 1 || quantity > MOST ||
        !cofferdam_json_integer(cofferdam_json_member(item, "cents"), &cents) || cents < 0 || cents > MOST)
        return cofferdam_validation_error("an item has a sku, a quantity from 1 and cents from 0, both below 2^53");
    int64_t item_total = cents > MOST / quantity ? MOST + 1 : quantity * cents;
    *total = item_total > MOST - *total ? MOST + 1 : *total + item_total;

    cofferdam_json_begin_object(writer, NULL);
    cofferdam_json_add_string(writer, "sku", sku);
    cofferdam_json_add_integer(writer, "quantity", quantity);
    cofferdam_json_add_integer(writer, "cents", cents);
    cofferdam_json_add_integer(writer, "total_cents", item_total);
    cofferdam_json_end(writer);
    return cofferdam_done();
}

/* Deferred, because nothing is wrong with the message: it waits for somebody to mend the configuration. */
static cofferdam_result number_of(const char *name, cofferdam_string text, int64_t *number) {
    char *end;
    errno = 0;
    *number = strtoll(text.data, &end, 10);
    if (end == text.data || *end != '\0' || errno != 0)
        return cofferdam_deferred("CONFIGURATION_INVALID", "the plugin's config has no number for \"%s\"", name);
    return cofferdam_done();
}

static cofferdam_result vat_rate(cofferdam_string country, int64_t *rate) {
    cofferdam_string name = cofferdam_format("vat.%s", country.data), text = cofferdam_none();
    /* A country with a zero byte in it would be cut there, and could be one that is known. */
    if (name.length == strlen("vat.") + country.length)
        COFFERDAM_TRY(cofferdam_config_get(name.data, &text));
    if (cofferdam_is_none(text))
        return cofferdam_permanent("UNKNOWN_COUNTRY", "no vat rate for %s", country.data);
    return number_of(name.data, text, rate);
}

static cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
    const cofferdam_json *order;
    COFFERDAM_TRY(cofferdam_message_json(message, &order));

    cofferdam_string id, customer, country;
    const cofferdam_json *items = cofferdam_json_member(order, "items");
    if (!cofferdam_json_string(cofferdam_json_member(order, "order"), &id) ||
        !cofferdam_json_string(cofferdam_json_member(order, "customer"), &customer) ||
        !cofferdam_json_string(cofferdam_json_member(order, "country"), &country) ||
        cofferdam_json_kind_of(items) != COFFERDAM_JSON_ARRAY || cofferdam_json_count(items) == 0)
        return cofferdam_validation_error("an order has an order, a customer, a country, and items, at least one");

    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_object(writer, NULL);
    cofferdam_json_add_string(writer, "order", id);
    cofferdam_json_add_string(writer, "customer", customer);
    cofferdam_json_add_string(writer, "country", country);
    cofferdam_json_begin_array(writer, "items");
    int64_t total = 0;
    for (size_t at = 0; at < cofferdam_json_count(items); at++)
        COFFERDAM_TRY(add_item(cofferdam_json_at(items, at), writer, &total));
    cofferdam_json_end(writer);
    if (total > MOST)
        return cofferdam_validation_error("an order is for less than 2^53 cents");

    int64_t rate, free_from;
    cofferdam_string text;
    COFFERDAM_TRY(vat_rate(country, &rate));
    COFFERDAM_TRY(cofferdam_config_require("free_shipping_cents", &text));
    COFFERDAM_TRY(number_of("free_shipping_cents", text, &free_from));
    int64_t vat = (total * rate + 50) / 100;
    cofferdam_json_add_integer(writer, "total_cents", total);
    cofferdam_json_add_integer(writer, "vat_cents", vat);
    cofferdam_json_add_text(writer, "shipping", total >= free_from ? "free" : "standard");
    cofferdam_json_end(writer);

    cofferdam_log(COFFERDAM_INFO, "order %s: %" PRId64 " cents with vat", id.data, total + vat);
    cofferdam_output *output = cofferdam_output_new(outputs, "enriched");
    cofferdam_output_set_key(output, id);
    cofferdam_output_add_header(output, "schema", cofferdam_text("order/2"));
    cofferdam_output_set_json(output, writer);
    return cofferdam_done();
}

COFFERDAM_HANDLER(handle);
