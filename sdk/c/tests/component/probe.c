/* Asks the host for all there is, and traps where an answer is not what it should be. The key of the message says what. */
#include <stdio.h>
#include <stdlib.h>

#include "cofferdam.h"

#define MUST(condition) ((condition) ? (void)0 : cofferdam_abort("line %d: %s", __LINE__, #condition))

static cofferdam_result message_probe(const cofferdam_message *message) {
    const cofferdam_json *json;
    cofferdam_string text;
    double number;
    COFFERDAM_TRY(cofferdam_message_json(message, &json));
    MUST(cofferdam_json_string(cofferdam_json_member(json, "text"), &text) && cofferdam_is(text, "\xC3\xBC"));
    MUST(cofferdam_json_number(cofferdam_json_member(json, "number"), &number) && number == 1.5);
    MUST(cofferdam_is(message->id, "i-1") && strlen(message->id.data) == message->id.length);
    MUST(cofferdam_is(message->source, "in"));
    MUST(message->header_count == 3);
    MUST(cofferdam_is(message->headers[0].name, "a") && cofferdam_is(message->headers[0].value, "1"));
    MUST(cofferdam_equal(message->headers[1].value, cofferdam_bytes("\xFF\0", 2)));
    MUST(cofferdam_is(message->headers[2].value, ""));
    MUST(cofferdam_is(cofferdam_message_header(message, "A"), ""));
    MUST(message->attribute_count == 2);
    MUST(cofferdam_is(cofferdam_message_attribute(message, "type"), "t"));
    MUST(message->timestamp_ms == 1700000000123u && message->attempt == 3);
    return cofferdam_done();
}

static cofferdam_result tombstone_probe(const cofferdam_message *message) {
    MUST(cofferdam_is_none(message->payload) && message->header_count == 0 && message->attribute_count == 0);
    return cofferdam_done();
}

static cofferdam_result outputs_probe(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_output *output = cofferdam_output_new(outputs, "out");
    cofferdam_output_set_key(output, cofferdam_bytes("\xFF", 1));
    cofferdam_output_add_header(output, "h", cofferdam_text("1"));
    cofferdam_output_add_header(output, "h", cofferdam_text(""));
    cofferdam_output_set_attribute(output, "type", cofferdam_text("t"));
    cofferdam_output_set_payload(output, cofferdam_text("{\"a\":1}"));
    cofferdam_output_copy(outputs, "copy", message);
    cofferdam_output_new(outputs, "tombstone");
    cofferdam_output_set_payload(cofferdam_output_new(outputs, "empty"), cofferdam_text(""));
    return cofferdam_done();
}

static cofferdam_result config_probe(void) {
    cofferdam_string value;
    const cofferdam_pair *pairs;
    size_t count;
    COFFERDAM_TRY(cofferdam_config_require("text", &value));
    MUST(cofferdam_is(value, "b"));
    COFFERDAM_TRY(cofferdam_config_all(&pairs, &count));
    MUST(count == 2);
    for (size_t at = 0; at < count; at++)
        MUST(cofferdam_is(pairs[at].name, "text") ? cofferdam_is(pairs[at].value, "b") : cofferdam_is(pairs[at].value, "3"));
    return cofferdam_config_require("missing", &value);
}

static cofferdam_result keyvalue_probe(void) {
    cofferdam_bucket bucket;
    cofferdam_string a = cofferdam_text("a"), b = cofferdam_text("b"), c = cofferdam_text("c"), n = cofferdam_text("n");
    cofferdam_string value, cursor = cofferdam_none();
    const cofferdam_string *keys;
    cofferdam_note note;
    bool flag;
    int64_t sum;
    size_t count, all = 0;
    COFFERDAM_TRY(cofferdam_keyvalue_open("probes", &bucket));
    COFFERDAM_TRY(cofferdam_keyvalue_set(bucket, a, cofferdam_text("1")));
    COFFERDAM_TRY(cofferdam_keyvalue_set(bucket, b, cofferdam_bytes("\xFF\0", 2)));
    COFFERDAM_TRY(cofferdam_keyvalue_exists(bucket, a, &flag));
    MUST(flag);
    COFFERDAM_TRY(cofferdam_keyvalue_delete(bucket, a));
    COFFERDAM_TRY(cofferdam_keyvalue_exists(bucket, a, &flag));
    MUST(!flag);
    COFFERDAM_TRY(cofferdam_keyvalue_get(bucket, a, &value));
    MUST(cofferdam_is_none(value));
    COFFERDAM_TRY(cofferdam_keyvalue_get(bucket, b, &value));
    MUST(cofferdam_equal(value, cofferdam_bytes("\xFF\0", 2)));
    COFFERDAM_TRY(cofferdam_keyvalue_increment(bucket, n, 2, &sum));
    COFFERDAM_TRY(cofferdam_keyvalue_increment(bucket, n, -5000000000, &sum));
    MUST(sum == -4999999998);
    COFFERDAM_TRY(cofferdam_keyvalue_set_if_absent(bucket, c, cofferdam_text("x"), &value));
    MUST(cofferdam_is_none(value));
    COFFERDAM_TRY(cofferdam_keyvalue_set_if_absent(bucket, c, cofferdam_text("y"), &value));
    MUST(cofferdam_is(value, "x"));
    COFFERDAM_TRY(cofferdam_keyvalue_note(bucket, c, &note));
    MUST(cofferdam_is(note.current, "x"));
    COFFERDAM_TRY(cofferdam_keyvalue_set(bucket, c, cofferdam_text("somebody else")));
    COFFERDAM_TRY(cofferdam_keyvalue_swap(&note, cofferdam_text("mine"), &flag));
    MUST(!flag && cofferdam_is(note.current, "somebody else"));
    COFFERDAM_TRY(cofferdam_keyvalue_swap(&note, cofferdam_text("mine"), &flag));
    MUST(flag);
    do {
        COFFERDAM_TRY(cofferdam_keyvalue_keys(bucket, &cursor, &keys, &count));
        for (size_t at = 0; at < count; at++)
            MUST(keys[at].length == 1 && strchr("bcn", keys[at].data[0]) != NULL);
        all += count;
    } while (!cofferdam_is_none(cursor));
    MUST(all == 3);
    cofferdam_result failure = cofferdam_keyvalue_increment(bucket, c, 1, &sum);
    MUST(failure.outcome == COFFERDAM_RETRYABLE && cofferdam_is(failure.code, "SERVICE_UNAVAILABLE"));
    cofferdam_log(COFFERDAM_WARN, "%s", failure.text.data);
    /* Not granted. */
    return cofferdam_keyvalue_open("others", &bucket);
}

static cofferdam_result http_probe(const cofferdam_message *message) {
    const char *server = message->payload.data;
    cofferdam_http_response response;
    cofferdam_http_request *request = cofferdam_http_request_new("GET", cofferdam_format("%s/a?b=c#d", server).data);
    cofferdam_http_add_header(request, "accept", cofferdam_text("text/x"));
    COFFERDAM_TRY(cofferdam_http_send(request, &response));
    MUST(response.status == 200 && cofferdam_is(response.body, "GET /a?b=c text/x 0"));
    MUST(cofferdam_is(cofferdam_http_header(&response, "x-said"), "yes"));
    request = cofferdam_http_request_new("POST", server);
    cofferdam_http_set_body(request, cofferdam_format("%100000d", 1));
    COFFERDAM_TRY(cofferdam_http_send(request, &response));
    MUST(response.status == 200 && cofferdam_is(response.body, "POST / None 100000"));
    COFFERDAM_TRY(cofferdam_http_send(cofferdam_http_request_new("DELETE", cofferdam_format("%s/gone", server).data), &response));
    MUST(response.status == 404);
    COFFERDAM_TRY(cofferdam_http_get(cofferdam_format("%s/long", server).data, &response));
    MUST(response.body.length == 300000 && response.body.data[299999] == 'x');
    /* Whatever a request takes is given back. */
    for (int at = 0; at < 100; at++) {
        request = cofferdam_http_request_new("POST", server);
        cofferdam_http_set_body(request, cofferdam_text("x"));
        COFFERDAM_TRY(cofferdam_http_send(request, &response));
        MUST(response.status == 200);
    }
    cofferdam_result failure = cofferdam_http_get("http://[", &response);
    MUST(failure.outcome == COFFERDAM_PERMANENT);
    /* Granted, and nobody there. */
    failure = cofferdam_http_get("http://127.0.0.1:9/", &response);
    MUST(failure.outcome == COFFERDAM_RETRYABLE && cofferdam_is(failure.code, "SERVICE_UNAVAILABLE"));
    /* Not granted. */
    return cofferdam_http_get("https://example.com/", &response);
}

static cofferdam_result many_probe(const cofferdam_message *message, cofferdam_outputs *outputs) {
    static unsigned calls;
    cofferdam_bucket bucket;
    cofferdam_note note;
    cofferdam_string value;
    const cofferdam_json *json;
    COFFERDAM_TRY(cofferdam_message_json(message, &json));
    COFFERDAM_TRY(cofferdam_keyvalue_open("probes", &bucket));
    COFFERDAM_TRY(cofferdam_keyvalue_increment(bucket, cofferdam_text("many"), 1, NULL));
    COFFERDAM_TRY(cofferdam_keyvalue_note(bucket, message->id, &note));
    COFFERDAM_TRY(cofferdam_config_require("text", &value));
    memset(cofferdam_allocate(200000), 1, 200000);
    /* How much memory there is, and how many calls came before: what grows from call to call is seen in the outputs. */
    cofferdam_output_set_payload(cofferdam_output_new(outputs, "out"),
                                 cofferdam_format("%lu pages at call %u", (unsigned long)__builtin_wasm_memory_size(0), ++calls));
    if (calls % 1000 == 0)
        printf("call %u with %lu pages\n", calls, (unsigned long)__builtin_wasm_memory_size(0));
    return cofferdam_done();
}

static cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
    if (cofferdam_is(message->key, "message"))
        return message_probe(message);
    if (cofferdam_is(message->key, "tombstone"))
        return tombstone_probe(message);
    if (cofferdam_is(message->key, "outputs"))
        return outputs_probe(message, outputs);
    if (cofferdam_is(message->key, "config"))
        return config_probe();
    if (cofferdam_is(message->key, "keyvalue"))
        return keyvalue_probe();
    if (cofferdam_is(message->key, "http"))
        return http_probe(message);
    if (cofferdam_is(message->key, "many"))
        return many_probe(message, outputs);
    if (cofferdam_is(message->key, "retryable"))
        return cofferdam_after(cofferdam_retryable("RATE_LIMITED", "wait \xFF"), 5000000000);
    if (cofferdam_is(message->key, "deferred"))
        return cofferdam_deferred("TOO_EARLY", "wait");
    if (cofferdam_is(message->key, "print"))
        return printf("printed"), cofferdam_done();
    if (cofferdam_is(message->key, "exit"))
        exit(3);
    if (cofferdam_is(message->key, "memory"))
        for (;;)
            memset(cofferdam_allocate(1000000), 1, 1000000);
    cofferdam_abort("a bug: %s", message->key.data);
}

COFFERDAM_HANDLER(handle);
