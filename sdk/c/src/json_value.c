#include "json_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

cofferdam_json_kind cofferdam_json_kind_of(const cofferdam_json *value) {
    return value == NULL ? COFFERDAM_JSON_MISSING : value->kind;
}

const cofferdam_json *cofferdam_json_member(const cofferdam_json *object, const char *name) {
    for (size_t at = cofferdam_json_kind_of(object) == COFFERDAM_JSON_OBJECT ? object->length : 0; at > 0; at -= 2) {
        const cofferdam_json *known = &object->of.values[at - 2];
        if (cofferdam_is(cofferdam_bytes(known->of.text, known->length), name))
            return &object->of.values[at - 1];
    }
    return NULL;
}

size_t cofferdam_json_count(const cofferdam_json *value) {
    switch (cofferdam_json_kind_of(value)) {
    case COFFERDAM_JSON_ARRAY:
        return value->length;
    case COFFERDAM_JSON_OBJECT:
        return value->length / 2;
    default:
        return 0;
    }
}

const cofferdam_json *cofferdam_json_at(const cofferdam_json *value, size_t index) {
    if (index >= cofferdam_json_count(value))
        return NULL;
    return &value->of.values[value->kind == COFFERDAM_JSON_OBJECT ? 2 * index + 1 : index];
}

cofferdam_string cofferdam_json_name_at(const cofferdam_json *object, size_t index) {
    if (cofferdam_json_kind_of(object) != COFFERDAM_JSON_OBJECT || index >= object->length / 2)
        return cofferdam_none();
    return cofferdam_bytes(object->of.values[2 * index].of.text, object->of.values[2 * index].length);
}

bool cofferdam_json_string(const cofferdam_json *value, cofferdam_string *string) {
    if (cofferdam_json_kind_of(value) != COFFERDAM_JSON_STRING)
        return false;
    *string = cofferdam_bytes(value->of.text, value->length);
    return true;
}

bool cofferdam_json_boolean(const cofferdam_json *value, bool *boolean) {
    cofferdam_json_kind kind = cofferdam_json_kind_of(value);
    if (kind != COFFERDAM_JSON_TRUE && kind != COFFERDAM_JSON_FALSE)
        return false;
    *boolean = kind == COFFERDAM_JSON_TRUE;
    return true;
}

bool cofferdam_json_number(const cofferdam_json *value, double *number) {
    if (cofferdam_json_kind_of(value) != COFFERDAM_JSON_NUMBER)
        return false;
    double read = strtod(value->of.text, NULL);
    if (!isfinite(read))
        return false;
    *number = read;
    return true;
}

bool cofferdam_json_integer(const cofferdam_json *value, int64_t *integer) {
    if (cofferdam_json_kind_of(value) != COFFERDAM_JSON_NUMBER || strpbrk(value->of.text, ".eE") != NULL)
        return false;
    errno = 0;
    long long read = strtoll(value->of.text, NULL, 10);
    if (errno == ERANGE)
        return false;
    *integer = read;
    return true;
}
