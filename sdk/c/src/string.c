#include "cofferdam/string.h"

#include <stdio.h>

#include "arena.h"
#include "cofferdam/result.h"

bool cofferdam_equal(cofferdam_string left, cofferdam_string right) {
    if (left.data == NULL || right.data == NULL)
        return left.data == right.data;
    return left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
}

bool cofferdam_is(cofferdam_string string, const char *text) {
    return string.data != NULL && cofferdam_equal(string, cofferdam_text(text));
}

cofferdam_string cofferdam_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_string made = cofferdam_format_list(format, arguments);
    va_end(arguments);
    return made;
}

cofferdam_string cofferdam_format_list(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        cofferdam_abort("the format \"%s\" cannot be printed", format);
    char *made = cofferdam_arena_string((size_t)length);
    vsnprintf(made, (size_t)length + 1, format, arguments);
    return cofferdam_bytes(made, (size_t)length);
}
