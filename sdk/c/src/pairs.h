/* Lists of headers and attributes. */
#ifndef COFFERDAM_PAIRS_H
#define COFFERDAM_PAIRS_H

#include "cofferdam/string.h"

/* Adds copies of name and value behind the last. */
void cofferdam_pairs_add(cofferdam_pair **pairs, size_t *count, cofferdam_string name, cofferdam_string value);

/* Whether two names are the same but for the case of letters a to z. */
bool cofferdam_same_name(cofferdam_string left, cofferdam_string right);

#endif
