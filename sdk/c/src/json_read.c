#include <stdlib.h>

#include "arena.h"
#include "json_value.h"
#include "utf8.h"

/* Values of arrays and objects that are not yet at their end are kept aside, and moved when it is known how many they are. */
typedef struct reader {
    const char *text;
    size_t length;
    size_t at;
    unsigned depth;
    cofferdam_json *aside;
    size_t aside_count;
    size_t aside_room;
    const char *wrong; /* the first thing that is, or NULL */
} reader;

static bool read_value(reader *in, cofferdam_json *value);

static bool wrong(reader *in, const char *what) {
    in->wrong = what;
    return false;
}

static bool take(reader *in, char character) {
    if (in->at >= in->length || in->text[in->at] != character)
        return false;
    in->at++;
    return true;
}

static void skip_space(reader *in) {
    while (take(in, ' ') || take(in, '\n') || take(in, '\r') || take(in, '\t')) {
    }
}

static bool read_word(reader *in, const char *word, cofferdam_json_kind kind, cofferdam_json *value) {
    size_t length = strlen(word);
    if (in->length - in->at < length || memcmp(in->text + in->at, word, length) != 0)
        return wrong(in, "a value is expected");
    in->at += length;
    value->kind = kind;
    return true;
}

static bool digits(reader *in) {
    size_t start = in->at;
    while (in->at < in->length && in->text[in->at] >= '0' && in->text[in->at] <= '9')
        in->at++;
    return in->at > start || wrong(in, "a digit is expected");
}

static bool read_number(reader *in, cofferdam_json *value) {
    size_t start = in->at;
    take(in, '-');
    if (!take(in, '0') && !digits(in))
        return false;
    if (take(in, '.') && !digits(in))
        return false;
    if (take(in, 'e') || take(in, 'E')) {
        if (!take(in, '+'))
            take(in, '-');
        if (!digits(in))
            return false;
    }
    value->kind = COFFERDAM_JSON_NUMBER;
    value->length = in->at - start;
    char *text = cofferdam_arena_string(value->length);
    memcpy(text, in->text + start, value->length);
    value->of.text = text;
    return true;
}

static bool read_hex(reader *in, uint32_t *unit) {
    *unit = 0;
    for (int digit = 0; digit < 4; digit++) {
        char character = in->at < in->length ? in->text[in->at] : '"';
        uint32_t nibble;
        if (character >= '0' && character <= '9')
            nibble = (uint32_t)(character - '0');
        else if (character >= 'a' && character <= 'f')
            nibble = (uint32_t)(character - 'a') + 10;
        else if (character >= 'A' && character <= 'F')
            nibble = (uint32_t)(character - 'A') + 10;
        else
            return wrong(in, "four hexadecimal digits are expected");
        *unit = *unit << 4 | nibble;
        in->at++;
    }
    return true;
}

static char *put(char *to, uint32_t character) {
    if (character < 0x80) {
        *to++ = (char)character;
        return to;
    }
    if (character < 0x800) {
        *to++ = (char)(0xC0 | character >> 6);
    } else {
        if (character < 0x10000) {
            *to++ = (char)(0xE0 | character >> 12);
        } else {
            *to++ = (char)(0xF0 | character >> 18);
            *to++ = (char)(0x80 | (character >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (character >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (character & 0x3F));
    return to;
}

/* A character above U+FFFF stands as two units; one of them alone is no character and has no form in UTF-8. */
static bool read_unicode(reader *in, char **to) {
    uint32_t unit, second;
    if (!read_hex(in, &unit))
        return false;
    if (unit >= 0xD800 && unit <= 0xDFFF) {
        if (unit >= 0xDC00 || !take(in, '\\') || !take(in, 'u'))
            return wrong(in, "half of a surrogate pair");
        if (!read_hex(in, &second))
            return false;
        if (second < 0xDC00 || second > 0xDFFF)
            return wrong(in, "half of a surrogate pair");
        unit = 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
    }
    *to = put(*to, unit);
    return true;
}

static bool read_escape(reader *in, char **to) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (in->at >= in->length)
        return wrong(in, "a string has no end");
    if (take(in, 'u'))
        return read_unicode(in, to);
    const char *letter = memchr(letters, in->text[in->at], sizeof letters - 1);
    if (letter == NULL)
        return wrong(in, "this escape is none");
    in->at++;
    *(*to)++ = meant[letter - letters];
    return true;
}

/* How many bytes there are up to the quote that ends the string: no character gets longer when its escape is undone. */
static size_t bytes_to_quote(const reader *in) {
    size_t at = in->at;
    while (at < in->length && in->text[at] != '"')
        at += in->text[at] == '\\' ? 2 : 1;
    return (at < in->length ? at : in->length) - in->at;
}

static bool read_string(reader *in, cofferdam_json *value) {
    if (!take(in, '"'))
        return wrong(in, "a name in quotes is expected");
    char *text = cofferdam_arena_string(bytes_to_quote(in));
    char *to = text;
    while (!take(in, '"')) {
        if (in->at >= in->length)
            return wrong(in, "a string has no end");
        if ((unsigned char)in->text[in->at] < 0x20)
            return wrong(in, "a control character in a string");
        if (take(in, '\\')) {
            if (!read_escape(in, &to))
                return false;
            continue;
        }
        size_t character = cofferdam_utf8_character(in->text + in->at, in->length - in->at);
        if (character == 0)
            return wrong(in, "this is not UTF-8");
        memcpy(to, in->text + in->at, character);
        to += character;
        in->at += character;
    }
    *to = '\0';
    value->kind = COFFERDAM_JSON_STRING;
    value->length = (size_t)(to - text);
    value->of.text = text;
    return true;
}

static void put_aside(reader *in, cofferdam_json value) {
    if (in->aside_count == in->aside_room) {
        size_t room = in->aside_room == 0 ? 64 : in->aside_room * 2;
        cofferdam_json *aside = realloc(in->aside, room * sizeof(cofferdam_json));
        if (aside == NULL)
            cofferdam_abort("out of memory: JSON of %lu bytes and more values than fit", (unsigned long)in->length);
        in->aside = aside;
        in->aside_room = room;
    }
    in->aside[in->aside_count++] = value;
}

static void collect(reader *in, size_t first, cofferdam_json_kind kind, cofferdam_json *value) {
    value->kind = kind;
    value->length = in->aside_count - first;
    cofferdam_json *values = cofferdam_arena_take(value->length * sizeof(cofferdam_json), _Alignof(cofferdam_json));
    if (value->length > 0)
        memcpy(values, in->aside + first, value->length * sizeof(cofferdam_json));
    value->of.values = values;
    in->aside_count = first;
}

static bool read_array(reader *in, cofferdam_json *value) {
    size_t first = in->aside_count;
    cofferdam_json element;
    skip_space(in);
    if (!take(in, ']')) {
        do {
            if (!read_value(in, &element))
                return false;
            put_aside(in, element);
            skip_space(in);
        } while (take(in, ','));
        if (!take(in, ']'))
            return wrong(in, "a comma or the end of an array is expected");
    }
    collect(in, first, COFFERDAM_JSON_ARRAY, value);
    return true;
}

static bool read_object(reader *in, cofferdam_json *value) {
    size_t first = in->aside_count;
    cofferdam_json name, member;
    skip_space(in);
    if (!take(in, '}')) {
        do {
            skip_space(in);
            if (!read_string(in, &name))
                return false;
            put_aside(in, name);
            skip_space(in);
            if (!take(in, ':'))
                return wrong(in, "a colon is expected");
            if (!read_value(in, &member))
                return false;
            put_aside(in, member);
            skip_space(in);
        } while (take(in, ','));
        if (!take(in, '}'))
            return wrong(in, "a comma or the end of an object is expected");
    }
    collect(in, first, COFFERDAM_JSON_OBJECT, value);
    return true;
}

static bool read_nested(reader *in, cofferdam_json *value) {
    if (in->depth == COFFERDAM_JSON_DEPTH)
        return wrong(in, "nested too deeply");
    in->depth++;
    bool read = take(in, '[') ? read_array(in, value) : take(in, '{') && read_object(in, value);
    in->depth--;
    return read;
}

static bool read_value(reader *in, cofferdam_json *value) {
    memset(value, 0, sizeof *value);
    skip_space(in);
    switch (in->at < in->length ? in->text[in->at] : '\0') {
    case '[':
    case '{':
        return read_nested(in, value);
    case '"':
        return read_string(in, value);
    case 'n':
        return read_word(in, "null", COFFERDAM_JSON_NULL, value);
    case 't':
        return read_word(in, "true", COFFERDAM_JSON_TRUE, value);
    case 'f':
        return read_word(in, "false", COFFERDAM_JSON_FALSE, value);
    case '-':
    case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        return read_number(in, value);
    default:
        return wrong(in, "a value is expected");
    }
}

bool cofferdam_json_read(cofferdam_string text, const cofferdam_json **value, cofferdam_json_error *error) {
    reader in = {text.data, text.length, 0, 0, NULL, 0, 0, NULL};
    cofferdam_json *whole = cofferdam_allocate(sizeof *whole);
    bool read = read_value(&in, whole);
    if (read) {
        skip_space(&in);
        read = in.at == in.length || wrong(&in, "only one value is expected");
    }
    free(in.aside);
    *value = read ? whole : NULL;
    if (!read && error != NULL) {
        error->what = in.wrong;
        error->position = in.at;
    }
    return read;
}
