/* Reading and writing JSON. */
#ifndef COFFERDAM_JSON_H
#define COFFERDAM_JSON_H

#include "result.h"

COFFERDAM_BEGIN

/* Arrays and objects in each other, at most so deep; both in what is read and in what is written. */
#define COFFERDAM_JSON_DEPTH 128

/* A value that was read. All functions that take one also take NULL and answer as for a value that is missing, so a path
 * can be followed in one go: `cofferdam_json_member(cofferdam_json_member(order, "customer"), "name")`. */
typedef struct cofferdam_json cofferdam_json;

typedef enum cofferdam_json_kind {
    COFFERDAM_JSON_MISSING,
    COFFERDAM_JSON_NULL,
    COFFERDAM_JSON_FALSE,
    COFFERDAM_JSON_TRUE,
    COFFERDAM_JSON_NUMBER,
    COFFERDAM_JSON_STRING,
    COFFERDAM_JSON_ARRAY,
    COFFERDAM_JSON_OBJECT
} cofferdam_json_kind;

/* What is wrong with a text, and at which byte. */
typedef struct cofferdam_json_error {
    const char *what;
    size_t position;
} cofferdam_json_error;

/* Reads a text, by RFC 8259 and nothing beyond it: UTF-8 without a byte order mark, one value, no comments. False: it is
 * not that, or nested too deeply. */
bool cofferdam_json_read(cofferdam_string text, const cofferdam_json **value, cofferdam_json_error *error);

cofferdam_json_kind cofferdam_json_kind_of(const cofferdam_json *value);

/* The value of that name, the last where it stands twice; NULL: none, or not an object. */
const cofferdam_json *cofferdam_json_member(const cofferdam_json *object, const char *name);

/* How many elements or members there are; 0 for all that is neither array nor object. */
size_t cofferdam_json_count(const cofferdam_json *value);

/* An element of an array, or the value of a member of an object, in the order of the text; NULL: beyond the last. */
const cofferdam_json *cofferdam_json_at(const cofferdam_json *value, size_t index);

/* The name of a member of an object; no value beyond the last. */
cofferdam_string cofferdam_json_name_at(const cofferdam_json *object, size_t index);

/* These answer whether the value is of that kind, and only then write it. */
bool cofferdam_json_string(const cofferdam_json *value, cofferdam_string *string);
bool cofferdam_json_boolean(const cofferdam_json *value, bool *boolean);
/* Any number that is finite as a double. */
bool cofferdam_json_number(const cofferdam_json *value, double *number);
/* A number without fraction and exponent that fits, exactly. */
bool cofferdam_json_integer(const cofferdam_json *value, int64_t *integer);

/* Writes one value, compactly. Within an object every function takes the name of the member, elsewhere NULL.
 *
 *     cofferdam_json_writer *writer = cofferdam_json_writer_new();
 *     cofferdam_json_begin_object(writer, NULL);
 *     cofferdam_json_add_string(writer, "order", id);
 *     cofferdam_json_add_number(writer, "total", 5.0);
 *     cofferdam_json_end(writer);
 *     cofferdam_output_set_json(output, writer);
 *
 * A value that JSON cannot have (text that is not UTF-8, NaN) is told at the end, so nothing is to be checked in between. A
 * call in the wrong place (a name missing, an end too many) is a bug and traps. */
typedef struct cofferdam_json_writer cofferdam_json_writer;

cofferdam_json_writer *cofferdam_json_writer_new(void);
void cofferdam_json_begin_object(cofferdam_json_writer *writer, const char *name);
void cofferdam_json_begin_array(cofferdam_json_writer *writer, const char *name);
/* Ends the object or array that was begun last. */
void cofferdam_json_end(cofferdam_json_writer *writer);
/* No value is written as null. */
void cofferdam_json_add_string(cofferdam_json_writer *writer, const char *name, cofferdam_string string);
void cofferdam_json_add_text(cofferdam_json_writer *writer, const char *name, const char *text);
/* With as few digits as read back to the same number. */
void cofferdam_json_add_number(cofferdam_json_writer *writer, const char *name, double number);
void cofferdam_json_add_integer(cofferdam_json_writer *writer, const char *name, int64_t integer);
void cofferdam_json_add_boolean(cofferdam_json_writer *writer, const char *name, bool boolean);
void cofferdam_json_add_null(cofferdam_json_writer *writer, const char *name);
/* A value that was read, with its numbers as they stood; NULL is written as null. */
void cofferdam_json_add_value(cofferdam_json_writer *writer, const char *name, const cofferdam_json *value);

/* What was written. Permanent SERIALIZATION_FAILED: a value that JSON cannot have. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_json_written(cofferdam_json_writer *writer, cofferdam_string *text);

COFFERDAM_END

#endif
