#include "convert.h"

#include "../arena.h"
#include "../utf8.h"

/* Lists of these are not moved, only looked at as what they are. */
_Static_assert(sizeof(cofferdam_string) == sizeof(wit_list), "a string lies as it crosses");
_Static_assert(sizeof(cofferdam_pair) == sizeof(wit_pair), "a pair lies as it crosses");

static void *pointer(uint32_t address) {
    return (void *)(uintptr_t)address;
}

static uint32_t address(const void *pointer) {
    return (uint32_t)(uintptr_t)pointer;
}

cofferdam_string cofferdam_lift(wit_list list) {
    /* The address of nothing can be anything. */
    return list.length == 0 ? cofferdam_text("") : cofferdam_bytes(pointer(list.data), list.length);
}

cofferdam_string cofferdam_lift_option(wit_option_list option) {
    return option.some ? cofferdam_lift(option.value) : cofferdam_none();
}

cofferdam_pair *cofferdam_lift_pairs(wit_list list) {
    const wit_pair *crossed = pointer(list.data);
    cofferdam_pair *pairs = cofferdam_allocate(list.length * sizeof(cofferdam_pair));
    for (size_t at = 0; at < list.length; at++) {
        pairs[at].name = cofferdam_lift(crossed[at].name);
        pairs[at].value = cofferdam_lift(crossed[at].value);
    }
    return pairs;
}

cofferdam_message *cofferdam_lift_messages(const wit_message *messages, size_t count) {
    cofferdam_message *lifted = cofferdam_allocate(count * sizeof(cofferdam_message));
    for (size_t at = 0; at < count; at++) {
        const wit_message *crossed = &messages[at];
        lifted[at].id = cofferdam_lift(crossed->id);
        lifted[at].source = cofferdam_lift(crossed->source);
        lifted[at].position = cofferdam_lift(crossed->position);
        lifted[at].key = cofferdam_lift_option(crossed->key);
        lifted[at].headers = cofferdam_lift_pairs(crossed->headers);
        lifted[at].header_count = crossed->headers.length;
        lifted[at].attributes = cofferdam_lift_pairs(crossed->attributes);
        lifted[at].attribute_count = crossed->attributes.length;
        lifted[at].payload = cofferdam_lift_option(crossed->payload);
        lifted[at].timestamp_ms = crossed->timestamp_ms;
        lifted[at].attempt = crossed->attempt;
    }
    return lifted;
}

wit_list cofferdam_lower(cofferdam_string string) {
    wit_list list = {address(string.data), (uint32_t)string.length};
    return list;
}

static wit_option_list lower_option(cofferdam_string string) {
    wit_option_list option = {!cofferdam_is_none(string), cofferdam_lower(string)};
    return option;
}

wit_list cofferdam_lower_pairs(const cofferdam_pair *pairs, size_t count) {
    wit_list list = {address(pairs), (uint32_t)count};
    return list;
}

static wit_list lower_outputs(const cofferdam_outputs *outputs) {
    wit_output *crossing = cofferdam_allocate(outputs->count * sizeof(wit_output));
    for (size_t at = 0; at < outputs->count; at++) {
        const cofferdam_output *output = outputs->items[at];
        crossing[at].to = cofferdam_lower(output->to);
        crossing[at].key = lower_option(output->key);
        crossing[at].headers = cofferdam_lower_pairs(output->headers, output->header_count);
        crossing[at].attributes = cofferdam_lower_pairs(output->attributes, output->attribute_count);
        crossing[at].payload = lower_option(output->payload);
    }
    wit_list list = {address(crossing), (uint32_t)outputs->count};
    return list;
}

wit_result cofferdam_lower_result(cofferdam_result result, const cofferdam_outputs *outputs) {
    wit_result crossing;
    memset(&crossing, 0, sizeof crossing);
    if (!cofferdam_failed(result)) {
        crossing.of.outputs = lower_outputs(outputs);
        return crossing;
    }
    crossing.is_error = 1;
    crossing.of.failure.kind = (uint8_t)(result.outcome - COFFERDAM_RETRYABLE);
    crossing.of.failure.code = cofferdam_lower(cofferdam_utf8_mended(result.code));
    crossing.of.failure.text = cofferdam_lower(cofferdam_utf8_mended(result.text));
    crossing.of.failure.has_retry_after = result.has_retry_after;
    crossing.of.failure.retry_after_ms = result.retry_after_ms;
    return crossing;
}
