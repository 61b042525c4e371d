/* UTF-8 by the Unicode standard, table 3-7. */
#ifndef COFFERDAM_UTF8_H
#define COFFERDAM_UTF8_H

#include "cofferdam/string.h"

/* How many bytes the character takes that begins here, at most `left`; 0 where it is none. */
size_t cofferdam_utf8_character(const char *bytes, size_t left);

/* The same text with U+FFFD for what is none; itself where all is in order. The host takes nothing else for text. */
cofferdam_string cofferdam_utf8_mended(cofferdam_string text);

#endif
