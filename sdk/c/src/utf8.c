#include "utf8.h"

#include <string.h>

#include "arena.h"

static bool continues(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

size_t cofferdam_utf8_character(const char *bytes, size_t left) {
    const unsigned char *byte = (const unsigned char *)bytes;
    if (left == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    if (byte[0] < 0xC2)
        return 0; /* a continuation, or longer than it has to be */
    if (byte[0] < 0xE0)
        return left >= 2 && continues(byte[1]) ? 2 : 0;
    if (byte[0] < 0xF0) {
        if (left < 3 || !continues(byte[1]) || !continues(byte[2]))
            return 0;
        bool overlong = byte[0] == 0xE0 && byte[1] < 0xA0;
        bool surrogate = byte[0] == 0xED && byte[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (byte[0] > 0xF4 || left < 4 || !continues(byte[1]) || !continues(byte[2]) || !continues(byte[3]))
        return 0;
    bool overlong = byte[0] == 0xF0 && byte[1] < 0x90;
    bool beyond = byte[0] == 0xF4 && byte[1] > 0x8F;
    return overlong || beyond ? 0 : 4;
}

bool cofferdam_is_utf8(cofferdam_string string) {
    for (size_t at = 0; at < string.length;) {
        size_t character = cofferdam_utf8_character(string.data + at, string.length - at);
        if (character == 0)
            return false;
        at += character;
    }
    return true;
}

cofferdam_string cofferdam_utf8_mended(cofferdam_string text) {
    if (cofferdam_is_utf8(text))
        return text;
    char *mended = cofferdam_arena_string(text.length * 3);
    size_t length = 0;
    for (size_t at = 0; at < text.length;) {
        size_t character = cofferdam_utf8_character(text.data + at, text.length - at);
        if (character == 0) {
            memcpy(mended + length, "\xEF\xBF\xBD", 3);
            length += 3;
            at += 1;
        } else {
            memcpy(mended + length, text.data + at, character);
            length += character;
            at += character;
        }
    }
    mended[length] = '\0';
    return cofferdam_bytes(mended, length);
}
