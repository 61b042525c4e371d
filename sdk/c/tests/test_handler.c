#include <sys/wait.h>
#include <unistd.h>

#include "../src/arena.h"
#include "cofferdam_test.h"

/* What the handler of the running test does. */
static cofferdam_handler *handle_now;

static cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
    return handle_now(message, outputs);
}

COFFERDAM_HANDLER(handle);

static cofferdam_test_call call(cofferdam_handler *handler, const cofferdam_message *message) {
    handle_now = handler;
    return cofferdam_test_handle(message);
}

/* Whether the handler ends the process, with the text on standard error. */
static bool aborts(cofferdam_handler *handler, const char *text) {
    int pipes[2], status = 0;
    if (pipe(pipes) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        call(handler, cofferdam_test_message(NULL));
        _exit(0);
    }
    close(pipes[1]);
    char said[4096];
    size_t length = 0;
    for (ssize_t got; (got = read(pipes[0], said + length, sizeof said - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(pipes[0]);
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0) && strstr(said, text) != NULL;
}

static cofferdam_result copy(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_output_copy(outputs, "out", message);
    return cofferdam_done();
}

static void a_message_can_be_passed_on(void) {
    cofferdam_message *message = cofferdam_test_message("text");
    message->key = cofferdam_bytes("\xFF", 1);
    cofferdam_test_add_header(message, "a", cofferdam_text("1"));
    cofferdam_test_add_header(message, "a", cofferdam_bytes("\0", 1));
    cofferdam_test_add_attribute(message, "type", "t");
    cofferdam_test_call done = call(copy, message);
    COFFERDAM_CHECK(done.result.outcome == COFFERDAM_DONE);
    const cofferdam_output *output = done.outputs->items[0];
    COFFERDAM_CHECK(cofferdam_equal(output->key, message->key));
    COFFERDAM_CHECK(cofferdam_is(output->payload, "text"));
    COFFERDAM_CHECK(output->header_count == 2);
    COFFERDAM_CHECK(cofferdam_equal(output->headers[1].value, cofferdam_bytes("\0", 1)));
    COFFERDAM_CHECK(output->attribute_count == 1);
    COFFERDAM_CHECK(cofferdam_is(output->attributes[0].value, "t"));
}

static cofferdam_result build(const cofferdam_message *message, cofferdam_outputs *outputs) {
    char gone[16] = "first";
    (void)message;
    for (int at = 0; at < 100; at++) {
        cofferdam_output *output = cofferdam_output_new(outputs, gone);
        cofferdam_output_set_key(output, cofferdam_text(gone));
        for (int header = 0; header < 10; header++)
            cofferdam_output_add_header(output, "name", cofferdam_text(gone));
        cofferdam_output_set_attribute(output, "type", cofferdam_text("one"));
        cofferdam_output_set_attribute(output, "subject", cofferdam_text("other"));
        cofferdam_output_set_attribute(output, "type", cofferdam_text(gone));
        cofferdam_output_set_attribute(output, "subject", cofferdam_none());
    }
    memset(gone, 'x', sizeof gone);
    return cofferdam_done();
}

static void outputs_are_copies_in_their_order(void) {
    cofferdam_test_call done = call(build, cofferdam_test_message(NULL));
    COFFERDAM_CHECK(done.outputs->count == 100);
    const cofferdam_output *last = done.outputs->items[99];
    COFFERDAM_CHECK(cofferdam_is(last->to, "first"));
    COFFERDAM_CHECK(cofferdam_is(last->key, "first"));
    COFFERDAM_CHECK(cofferdam_is_none(last->payload));
    COFFERDAM_CHECK(last->header_count == 10);
    COFFERDAM_CHECK(cofferdam_is(last->headers[9].value, "first"));
    COFFERDAM_CHECK(last->attribute_count == 1);
    COFFERDAM_CHECK(cofferdam_is(last->attributes[0].value, "first"));
}

static cofferdam_result wrong_header(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message;
    cofferdam_output_add_header(cofferdam_output_new(outputs, "out"), "\xFF", cofferdam_text(""));
    return cofferdam_done();
}

static cofferdam_result wrong_attribute(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message;
    cofferdam_output_set_attribute(cofferdam_output_new(outputs, "out"), "a", cofferdam_text("\xFF"));
    return cofferdam_done();
}

static cofferdam_result wrong_json(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message;
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_add_text(writer, NULL, "\xFF");
    cofferdam_output_set_json(cofferdam_output_new(outputs, "out"), writer);
    return cofferdam_done();
}

static cofferdam_result wrong_and_retryable(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_result ignored = wrong_json(message, outputs);
    (void)ignored;
    return cofferdam_retryable("AWAY", "later");
}

static void what_cannot_be_published_is_permanent(void) {
    cofferdam_handler *const handlers[] = {wrong_header, wrong_attribute, wrong_json};
    for (size_t at = 0; at < 3; at++) {
        cofferdam_result result = call(handlers[at], cofferdam_test_message(NULL)).result;
        COFFERDAM_CHECK(result.outcome == COFFERDAM_PERMANENT);
        COFFERDAM_CHECK(cofferdam_is(result.code, "SERIALIZATION_FAILED"));
    }
    /* The handler's own failure goes first: it would have published nothing. */
    COFFERDAM_CHECK(call(wrong_and_retryable, cofferdam_test_message(NULL)).result.outcome == COFFERDAM_RETRYABLE);
}

static void failures_have_code_text_and_delay(void) {
    char code[8] = "AWAY";
    cofferdam_result result = cofferdam_after(cofferdam_retryable(code, "%d of %s", 1, "2"), 1500);
    memset(code, 'x', sizeof code);
    COFFERDAM_CHECK(result.outcome == COFFERDAM_RETRYABLE);
    COFFERDAM_CHECK(cofferdam_is(result.code, "AWAY"));
    COFFERDAM_CHECK(cofferdam_is(result.text, "1 of 2"));
    COFFERDAM_CHECK(result.has_retry_after && result.retry_after_ms == 1500);
    COFFERDAM_CHECK(cofferdam_deferred("EARLY", "wait").outcome == COFFERDAM_DEFERRED);
    COFFERDAM_CHECK(!cofferdam_permanent("KNOWN", "again").has_retry_after);
    COFFERDAM_CHECK(cofferdam_failed(result) && !cofferdam_failed(cofferdam_done()));
}

static cofferdam_result forget(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_result result;
    (void)message, (void)outputs;
    memset(&result, 0, sizeof result);
    return result;
}

static cofferdam_result say_and_abort(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message, (void)outputs;
    cofferdam_abort("a bug: %d", 7);
}

static cofferdam_result end_too_often(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message, (void)outputs;
    cofferdam_json_end(cofferdam_json_writer_new());
    return cofferdam_done();
}

static cofferdam_result name_in_array(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message, (void)outputs;
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_array(writer, NULL);
    cofferdam_json_add_null(writer, "name");
    return cofferdam_done();
}

static cofferdam_result no_end(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message;
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_array(writer, NULL);
    cofferdam_output_set_json(cofferdam_output_new(outputs, "out"), writer);
    return cofferdam_done();
}

static cofferdam_result write_twice(const cofferdam_message *message, cofferdam_outputs *outputs) {
    (void)message, (void)outputs;
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_add_null(writer, NULL);
    cofferdam_json_add_null(writer, NULL);
    return cofferdam_done();
}

static void bugs_abort_with_a_text(void) {
    COFFERDAM_CHECK(aborts(say_and_abort, "a bug: 7\n"));
    COFFERDAM_CHECK(aborts(forget, "no result for message \"test-1\""));
    COFFERDAM_CHECK(aborts(end_too_often, "what was not begun"));
    COFFERDAM_CHECK(aborts(name_in_array, "with the name \"name\""));
    COFFERDAM_CHECK(aborts(no_end, "has not ended"));
    COFFERDAM_CHECK(aborts(write_twice, "second value"));
    COFFERDAM_CHECK(!aborts(copy, ""));
}

static void headers_are_found_by_name(void) {
    cofferdam_message *message = cofferdam_test_message(NULL);
    cofferdam_test_add_header(message, "Trace", cofferdam_text("1"));
    cofferdam_test_add_header(message, "trace", cofferdam_text("2"));
    cofferdam_test_add_header(message, "other", cofferdam_text("3"));
    COFFERDAM_CHECK(cofferdam_is(cofferdam_message_header(message, "TRACE"), "2"));
    COFFERDAM_CHECK(cofferdam_is_none(cofferdam_message_header(message, "trac")));
}

static void payloads_are_read_or_refused(void) {
    const cofferdam_json *json;
    cofferdam_string text = cofferdam_none();
    COFFERDAM_CHECK(!cofferdam_failed(cofferdam_message_json(cofferdam_test_message("[1]"), &json)));
    COFFERDAM_CHECK(cofferdam_json_count(json) == 1);
    cofferdam_result result = cofferdam_message_json(cofferdam_test_message("[1"), &json);
    COFFERDAM_CHECK(result.outcome == COFFERDAM_PERMANENT);
    COFFERDAM_CHECK(cofferdam_is(result.code, "VALIDATION_ERROR"));
    COFFERDAM_CHECK(strstr(result.text.data, "at byte 2") != NULL);
    result = cofferdam_message_json(cofferdam_test_message(NULL), &json);
    COFFERDAM_CHECK(strstr(result.text.data, "tombstone") != NULL);
    COFFERDAM_CHECK(!cofferdam_failed(cofferdam_message_text(cofferdam_test_message("\xC3\xBC"), &text)));
    COFFERDAM_CHECK(cofferdam_is(text, "\xC3\xBC"));
    COFFERDAM_CHECK(cofferdam_failed(cofferdam_message_text(cofferdam_test_message("\xFC"), &text)));
}

static cofferdam_result answer_event(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_cloudevent event;
    COFFERDAM_TRY(cofferdam_cloudevent_of(message, &event));
    cofferdam_output *output = cofferdam_cloudevent_new(outputs, "out", "com.example.bill.due");
    cofferdam_output_set_attribute(output, "subject", event.subject);
    return cofferdam_done();
}

static void events_are_read_and_written(void) {
    cofferdam_message *message = cofferdam_test_message("{}");
    cofferdam_test_add_attribute(message, "id", "1");
    cofferdam_test_add_attribute(message, "source", "/test");
    cofferdam_test_call done = call(answer_event, message);
    COFFERDAM_CHECK(cofferdam_is(done.result.text, "the attribute \"type\" is missing"));
    cofferdam_test_add_attribute(message, "type", "com.example.order.placed");
    done = call(answer_event, message);
    COFFERDAM_CHECK(done.outputs->items[0]->attribute_count == 1);
    COFFERDAM_CHECK(cofferdam_is(done.outputs->items[0]->attributes[0].value, "com.example.bill.due"));
    cofferdam_test_add_attribute(message, "subject", "o-1");
    done = call(answer_event, message);
    COFFERDAM_CHECK(cofferdam_is(done.outputs->items[0]->attributes[1].value, "o-1"));
}

int main(void) {
    COFFERDAM_TEST(a_message_can_be_passed_on);
    COFFERDAM_TEST(outputs_are_copies_in_their_order);
    COFFERDAM_TEST(what_cannot_be_published_is_permanent);
    COFFERDAM_TEST(failures_have_code_text_and_delay);
    COFFERDAM_TEST(bugs_abort_with_a_text);
    COFFERDAM_TEST(headers_are_found_by_name);
    COFFERDAM_TEST(payloads_are_read_or_refused);
    COFFERDAM_TEST(events_are_read_and_written);
    return cofferdam_test_end();
}
