#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "json_value.h"
#include "utf8.h"

/* Long enough for any double or 64-bit number. */
#define NUMBER 32

struct cofferdam_json_writer {
    char *text;
    size_t length;
    size_t room;
    unsigned depth;
    char ends[COFFERDAM_JSON_DEPTH]; /* what each array and object that was begun has to end with */
    bool first;                      /* nothing stands yet in the innermost of them */
    bool whole;                      /* the value is written */
    unsigned left_out;               /* how many were begun beyond the depth */
    cofferdam_result failure;
};

cofferdam_json_writer *cofferdam_json_writer_new(void) {
    cofferdam_json_writer *writer = cofferdam_allocate(sizeof *writer);
    memset(writer, 0, sizeof *writer);
    writer->first = true;
    writer->failure = cofferdam_done();
    return writer;
}

static void put(cofferdam_json_writer *writer, const char *bytes, size_t length) {
    if (length > writer->room - writer->length) {
        size_t room = writer->room < 256 ? 256 : writer->room * 2;
        if (room < writer->length + length)
            room = writer->length + length;
        writer->text = cofferdam_arena_grow(writer->text, writer->room, room, 1);
        writer->room = room;
    }
    memcpy(writer->text + writer->length, bytes, length);
    writer->length += length;
}

static void put_character(cofferdam_json_writer *writer, char character) {
    put(writer, &character, 1);
}

static void fail(cofferdam_json_writer *writer, const char *why) {
    if (!cofferdam_failed(writer->failure))
        writer->failure = cofferdam_permanent("SERIALIZATION_FAILED", "the value has no JSON form: %s", why);
}

static void put_string(cofferdam_json_writer *writer, cofferdam_string string) {
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    if (!cofferdam_is_utf8(string))
        fail(writer, "text that is not UTF-8");
    put_character(writer, '"');
    size_t written = 0;
    for (size_t at = 0; at < string.length; at++) {
        unsigned char character = (unsigned char)string.data[at];
        if (character >= 0x20 && character != '"' && character != '\\')
            continue;
        put(writer, string.data + written, at - written);
        written = at + 1;
        const char *known = memchr(escaped, character, sizeof escaped - 1);
        char escape[8];
        if (known != NULL)
            snprintf(escape, sizeof escape, "\\%c", letters[known - escaped]);
        else
            snprintf(escape, sizeof escape, "\\u%04x", character);
        put(writer, escape, strlen(escape));
    }
    if (string.length > written)
        put(writer, string.data + written, string.length - written);
    put_character(writer, '"');
}

/* What stands before a value: a comma, and its name where it is a member. */
static void begin_value(cofferdam_json_writer *writer, const char *name) {
    bool in_object = writer->depth > 0 && writer->ends[writer->depth - 1] == '}';
    if (writer->left_out > 0)
        return;
    if (writer->whole)
        cofferdam_abort("a JSON writer was given a second value");
    if (in_object && name == NULL)
        cofferdam_abort("a member of a JSON object was written without a name");
    if (!in_object && name != NULL)
        cofferdam_abort("a JSON value that is no member was written with the name \"%s\"", name);
    if (!writer->first)
        put_character(writer, ',');
    writer->first = false;
    if (name != NULL) {
        put_string(writer, cofferdam_text(name));
        put_character(writer, ':');
    }
}

static void end_value(cofferdam_json_writer *writer) {
    writer->whole = writer->depth == 0;
}

static void begin(cofferdam_json_writer *writer, const char *name, char start, char end) {
    begin_value(writer, name);
    if (writer->depth == COFFERDAM_JSON_DEPTH) {
        fail(writer, "nested too deeply");
        writer->left_out++;
        return;
    }
    put_character(writer, start);
    writer->ends[writer->depth++] = end;
    writer->first = true;
}

void cofferdam_json_begin_object(cofferdam_json_writer *writer, const char *name) {
    begin(writer, name, '{', '}');
}

void cofferdam_json_begin_array(cofferdam_json_writer *writer, const char *name) {
    begin(writer, name, '[', ']');
}

void cofferdam_json_end(cofferdam_json_writer *writer) {
    if (writer->left_out > 0) {
        writer->left_out--;
        return;
    }
    if (writer->depth == 0)
        cofferdam_abort("a JSON writer was told to end what was not begun");
    put_character(writer, writer->ends[--writer->depth]);
    writer->first = false;
    end_value(writer);
}

static void add_raw(cofferdam_json_writer *writer, const char *name, const char *text) {
    begin_value(writer, name);
    put(writer, text, strlen(text));
    end_value(writer);
}

void cofferdam_json_add_string(cofferdam_json_writer *writer, const char *name, cofferdam_string string) {
    if (cofferdam_is_none(string)) {
        cofferdam_json_add_null(writer, name);
        return;
    }
    begin_value(writer, name);
    put_string(writer, string);
    end_value(writer);
}

void cofferdam_json_add_text(cofferdam_json_writer *writer, const char *name, const char *text) {
    cofferdam_json_add_string(writer, name, cofferdam_text(text));
}

void cofferdam_json_add_number(cofferdam_json_writer *writer, const char *name, double number) {
    char text[NUMBER] = "null";
    if (!isfinite(number))
        fail(writer, "a number that is not finite");
    else
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, number);
            if (strtod(text, NULL) == number)
                break;
        }
    add_raw(writer, name, text);
}

void cofferdam_json_add_integer(cofferdam_json_writer *writer, const char *name, int64_t integer) {
    char text[NUMBER];
    snprintf(text, sizeof text, "%lld", (long long)integer);
    add_raw(writer, name, text);
}

void cofferdam_json_add_boolean(cofferdam_json_writer *writer, const char *name, bool boolean) {
    add_raw(writer, name, boolean ? "true" : "false");
}

void cofferdam_json_add_null(cofferdam_json_writer *writer, const char *name) {
    add_raw(writer, name, "null");
}

/* Names of members that were read can have zeros in them, so they go by their length. */
static void put_value(cofferdam_json_writer *writer, const cofferdam_json *value) {
    switch (cofferdam_json_kind_of(value)) {
    case COFFERDAM_JSON_MISSING:
    case COFFERDAM_JSON_NULL:
        put(writer, "null", 4);
        break;
    case COFFERDAM_JSON_FALSE:
        put(writer, "false", 5);
        break;
    case COFFERDAM_JSON_TRUE:
        put(writer, "true", 4);
        break;
    case COFFERDAM_JSON_NUMBER:
        put(writer, value->of.text, value->length);
        break;
    case COFFERDAM_JSON_STRING:
        put_string(writer, cofferdam_bytes(value->of.text, value->length));
        break;
    case COFFERDAM_JSON_ARRAY:
    case COFFERDAM_JSON_OBJECT:
        if (writer->depth == COFFERDAM_JSON_DEPTH) {
            fail(writer, "nested too deeply");
            break;
        }
        bool object = value->kind == COFFERDAM_JSON_OBJECT;
        writer->depth++;
        put_character(writer, object ? '{' : '[');
        for (size_t at = 0; at < value->length; at++) {
            if (at > 0)
                put_character(writer, object && at % 2 == 1 ? ':' : ',');
            put_value(writer, &value->of.values[at]);
        }
        put_character(writer, object ? '}' : ']');
        writer->depth--;
    }
}

void cofferdam_json_add_value(cofferdam_json_writer *writer, const char *name, const cofferdam_json *value) {
    begin_value(writer, name);
    put_value(writer, value);
    end_value(writer);
}

cofferdam_result cofferdam_json_written(cofferdam_json_writer *writer, cofferdam_string *text) {
    if (!writer->whole)
        cofferdam_abort("a JSON writer was asked for a value that has not ended");
    if (!cofferdam_failed(writer->failure)) {
        put_character(writer, '\0');
        writer->length--;
        *text = cofferdam_bytes(writer->text, writer->length);
    }
    return writer->failure;
}
