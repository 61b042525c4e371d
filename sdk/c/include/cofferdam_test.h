/* Tests of handlers, with the machine's own compiler and without WebAssembly: makes messages, calls the handler, and stands
 * in for the host.
 *
 *     #include "cofferdam_test.h"
 *
 *     static void an_order_is_billed(void) {
 *         cofferdam_test_set_config("currency", "EUR");
 *         cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message("{\"id\": \"o-1\", \"total\": 5}"));
 *         COFFERDAM_CHECK(call.result.outcome == COFFERDAM_DONE);
 *         COFFERDAM_CHECK(cofferdam_is(call.outputs->items[0]->payload, "5"));
 *     }
 *
 *     int main(void) {
 *         COFFERDAM_TEST(an_order_is_billed);
 *         return cofferdam_test_end();
 *     }
 *
 * Every test begins with an empty host. What a test is given lives until it ends. */
#ifndef COFFERDAM_TEST_H
#define COFFERDAM_TEST_H

#include <stdio.h>

#include "cofferdam.h"

COFFERDAM_BEGIN

/* A message with this payload, NULL for a tombstone; all else as a first attempt at a record of the topic "test" has it. Its
 * fields can be set. */
cofferdam_message *cofferdam_test_message(const char *payload);
void cofferdam_test_add_header(cofferdam_message *message, const char *name, cofferdam_string value);
void cofferdam_test_add_attribute(cofferdam_message *message, const char *name, const char *value);

/* How a call ended, and what it would publish. */
typedef struct cofferdam_test_call {
    cofferdam_result result;
    const cofferdam_outputs *outputs;
} cofferdam_test_call;

/* Calls the function of COFFERDAM_HANDLER, or of COFFERDAM_BATCH_HANDLER with one message, as the host would. */
#define cofferdam_test_handle(message) cofferdam_test_handle_with(cofferdam_plugin_handle, message)
cofferdam_test_call cofferdam_test_handle_with(cofferdam_handler *handler, const cofferdam_message *message);

/* Calls the function of COFFERDAM_BATCH_HANDLER; the attempts have the results. */
#define cofferdam_test_handle_batch(messages, count) \
    cofferdam_test_handle_batch_with(cofferdam_plugin_handle_batch, messages, count)
cofferdam_attempt *cofferdam_test_handle_batch_with(cofferdam_batch_handler *handler, const cofferdam_message *messages,
                                                    size_t count);

cofferdam_result cofferdam_plugin_handle(const cofferdam_message *message, cofferdam_outputs *outputs);
void cofferdam_plugin_handle_batch(cofferdam_attempt *attempts, size_t count);

/* A name of the plugin's configuration; NULL takes it away. */
void cofferdam_test_set_config(const char *name, const char *value);

/* What is logged, in its order; NULL beyond the last. */
typedef struct cofferdam_test_line {
    cofferdam_level level;
    cofferdam_string text;
} cofferdam_test_line;
const cofferdam_test_line *cofferdam_test_log(size_t index);

/* A bucket that can be opened. It is empty, and stays for the test. */
void cofferdam_test_grant_keyvalue(const char *bucket);
/* Lets that many further operations on buckets succeed and all after them fail: what a crash of the host in the middle of a
 * handler looks like from the outside. A negative number makes the store work again, with all values kept. */
void cofferdam_test_fail_keyvalue_after(int operations);
/* Is called at each swap, before the host looks: what somebody else does at the same time. */
void cofferdam_test_before_swap(void (*function)(void));

/* Answers requests from now on; without one, none is granted. It fills the answer, or returns a failure, which is what the request
 * ends with. */
typedef cofferdam_result cofferdam_test_server(const cofferdam_http_request *request, cofferdam_http_response *response);
void cofferdam_test_set_http(cofferdam_test_server *server);

/* Says which condition does not hold, and goes on. */
#define COFFERDAM_CHECK(condition) cofferdam_test_check((condition) ? true : false, #condition, __FILE__, __LINE__)
void cofferdam_test_check(bool holds, const char *condition, const char *file, int line);

/* Runs a test. */
#define COFFERDAM_TEST(function) cofferdam_test_run(function, #function)
void cofferdam_test_run(void (*function)(void), const char *name);

/* Says how many passed. What `main` returns: 0 if all did. */
int cofferdam_test_end(void);

COFFERDAM_END

#endif
