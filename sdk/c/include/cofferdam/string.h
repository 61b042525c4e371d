/* Bytes with a length: text in UTF-8 where it says text, anything where it does not. */
#ifndef COFFERDAM_STRING_H
#define COFFERDAM_STRING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "language.h"

COFFERDAM_BEGIN

/* `data` is NULL where there is no value at all, which is not the same as an empty one: a message without a key, a tombstone.
 * Strings that the SDK gives out have a zero byte behind the last, which `length` does not count, so `data` can be
 * given to a C function as it is, where there is a value. Bytes from outside may have zeros among them. */
typedef struct cofferdam_string {
    const char *data;
    size_t length;
} cofferdam_string;

/* A name and its value: a header or an attribute. */
typedef struct cofferdam_pair {
    cofferdam_string name;
    cofferdam_string value;
} cofferdam_pair;

/* No value. */
static inline cofferdam_string cofferdam_none(void) {
    cofferdam_string none = {NULL, 0};
    return none;
}

static inline bool cofferdam_is_none(cofferdam_string string) {
    return string.data == NULL;
}

/* A view of a C string; NULL is no value. */
static inline cofferdam_string cofferdam_text(const char *text) {
    cofferdam_string string = {text, text == NULL ? 0 : strlen(text)};
    return string;
}

/* A view of bytes. */
static inline cofferdam_string cofferdam_bytes(const void *data, size_t length) {
    cofferdam_string string = {data == NULL && length == 0 ? "" : (const char *)data, length};
    return string;
}

/* Whether both are the same bytes, or both are no value. */
bool cofferdam_equal(cofferdam_string left, cofferdam_string right);

/* Whether it is this text; no value is no text. */
bool cofferdam_is(cofferdam_string string, const char *text);

/* Whether it is UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool cofferdam_is_utf8(cofferdam_string string);

/* Text made as printf does it. */
cofferdam_string cofferdam_format(const char *format, ...) COFFERDAM_PRINTF(1, 2);
cofferdam_string cofferdam_format_list(const char *format, va_list arguments) COFFERDAM_PRINTF(1, 0);

COFFERDAM_END

#endif
