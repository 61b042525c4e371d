/* How values that were read lie in memory. */
#ifndef COFFERDAM_JSON_VALUE_H
#define COFFERDAM_JSON_VALUE_H

#include "cofferdam/json.h"

/* Twelve bytes in a plugin: a text of a million short values must not take many times its size. */
struct cofferdam_json {
    cofferdam_json_kind kind;
    size_t length; /* bytes of a string or of the text of a number; values of an array; names and values of an object */
    union {
        const char *text;             /* of a string, or of a number as it stood, with a zero behind it */
        const cofferdam_json *values; /* of an object: name, value, name, value */
    } of;
};

#endif
