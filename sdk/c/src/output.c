#include "cofferdam/output.h"

#include "arena.h"
#include "pairs.h"

static void cannot(cofferdam_outputs *outputs, cofferdam_result why) {
    if (!cofferdam_failed(outputs->failure))
        outputs->failure = why;
}

/* The host takes names and attributes as text, and would end the attempt as the plugin's fault where they are none. */
static void must_be_text(cofferdam_output *output, const char *what, cofferdam_string text) {
    if (!cofferdam_is_utf8(text))
        cannot(output->outputs, cofferdam_permanent("SERIALIZATION_FAILED", "%s of output \"%s\" is not UTF-8", what,
                                                    output->to.data));
}

static cofferdam_output *add(cofferdam_outputs *outputs, const char *to) {
    outputs->items = cofferdam_arena_one_more(outputs->items, outputs->count, sizeof(cofferdam_output *));
    cofferdam_output *output = cofferdam_allocate(sizeof(cofferdam_output));
    memset(output, 0, sizeof *output);
    output->outputs = outputs;
    output->to = cofferdam_keep(cofferdam_text(to));
    must_be_text(output, "the name", output->to);
    outputs->items[outputs->count++] = output;
    return output;
}

cofferdam_output *cofferdam_output_new(cofferdam_outputs *outputs, const char *to) {
    return add(outputs, to);
}

cofferdam_output *cofferdam_output_copy(cofferdam_outputs *outputs, const char *to, const cofferdam_message *message) {
    cofferdam_output *output = add(outputs, to);
    output->key = message->key;
    output->payload = message->payload;
    for (size_t at = 0; at < message->header_count; at++)
        cofferdam_pairs_add(&output->headers, &output->header_count, message->headers[at].name, message->headers[at].value);
    for (size_t at = 0; at < message->attribute_count; at++)
        cofferdam_pairs_add(&output->attributes, &output->attribute_count, message->attributes[at].name,
                            message->attributes[at].value);
    return output;
}

void cofferdam_output_set_key(cofferdam_output *output, cofferdam_string key) {
    output->key = cofferdam_keep(key);
}

void cofferdam_output_set_payload(cofferdam_output *output, cofferdam_string payload) {
    output->payload = cofferdam_keep(payload);
}

void cofferdam_output_set_json(cofferdam_output *output, cofferdam_json_writer *writer) {
    cofferdam_result written = cofferdam_json_written(writer, &output->payload);
    if (cofferdam_failed(written))
        cannot(output->outputs, written);
}

void cofferdam_output_add_header(cofferdam_output *output, const char *name, cofferdam_string value) {
    must_be_text(output, "the name of a header", cofferdam_text(name));
    /* A header always has bytes, if none of them. */
    cofferdam_string bytes = cofferdam_is_none(value) ? cofferdam_text("") : value;
    cofferdam_pairs_add(&output->headers, &output->header_count, cofferdam_text(name), bytes);
}

static void take_away(cofferdam_output *output, const char *name) {
    size_t left = 0;
    for (size_t at = 0; at < output->attribute_count; at++)
        if (!cofferdam_is(output->attributes[at].name, name))
            output->attributes[left++] = output->attributes[at];
    output->attribute_count = left;
}

void cofferdam_output_set_attribute(cofferdam_output *output, const char *name, cofferdam_string value) {
    must_be_text(output, "the name of an attribute", cofferdam_text(name));
    must_be_text(output, "an attribute", value);
    for (size_t at = 0; at < output->attribute_count; at++) {
        if (cofferdam_is(output->attributes[at].name, name)) {
            if (cofferdam_is_none(value))
                take_away(output, name);
            else
                output->attributes[at].value = cofferdam_keep(value);
            return;
        }
    }
    if (!cofferdam_is_none(value))
        cofferdam_pairs_add(&output->attributes, &output->attribute_count, cofferdam_text(name), value);
}
