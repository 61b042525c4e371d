#include "pairs.h"

#include "arena.h"

void cofferdam_pairs_add(cofferdam_pair **pairs, size_t *count, cofferdam_string name, cofferdam_string value) {
    *pairs = cofferdam_arena_one_more(*pairs, *count, sizeof(cofferdam_pair));
    cofferdam_pair *added = &(*pairs)[(*count)++];
    added->name = cofferdam_keep(name);
    added->value = cofferdam_keep(value);
}

static char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

bool cofferdam_same_name(cofferdam_string left, cofferdam_string right) {
    if (left.length != right.length)
        return false;
    for (size_t at = 0; at < left.length; at++)
        if (lower(left.data[at]) != lower(right.data[at]))
            return false;
    return true;
}
