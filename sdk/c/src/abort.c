#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "cofferdam/result.h"

/* What is written before a trap. On the stack, because it may be memory that has run out. */
#define LONGEST 1024

bool cofferdam_mute = false;

COFFERDAM_NORETURN static void end(void) {
#ifdef __wasm__
    __builtin_trap();
#else
    abort();
#endif
}

void cofferdam_abort(const char *format, ...) {
    char text[LONGEST];
    if (cofferdam_mute)
        end();
    /* What was printed before says how it came to this. */
    fflush(NULL);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    size_t size = length < 0 ? 0 : (size_t)length < sizeof text - 1 ? (size_t)length : sizeof text - 2;
    text[size++] = '\n';
    /* The trap says the rest: there is nobody to tell that a line was lost. */
    if (write(STDERR_FILENO, text, size) < 0) {
    }
    end();
}
