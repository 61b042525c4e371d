/* Where the host puts what it gives: messages, and answers to what a handler asks. */
#include <stdlib.h>

#include "../arena.h"
#include "convert.h"

__attribute__((export_name("cabi_realloc"))) void *cofferdam_realloc(void *old, size_t old_size, size_t alignment,
                                                                    size_t size) {
    /* The host waits for memory and takes no calls until it has it, so no text can go before a trap. */
    cofferdam_mute = true;
    /* The byte behind makes a C string of each string, and costs nothing. */
    char *memory = old_size == 0 ? cofferdam_arena_take(size + 1, alignment)
                                 : cofferdam_arena_grow(old, old_size + 1, size + 1, alignment);
    memory[size] = '\0';
    cofferdam_mute = false;
    return memory;
}

/* What the adapter for WASI preview 1 asks for it keeps as long as the instance lives, so it must not come from the arena. */
__attribute__((export_name("cabi_realloc_adapter"))) void *cofferdam_realloc_adapter(void *old, size_t old_size,
                                                                                    size_t alignment, size_t size) {
    (void)old_size;
    (void)alignment;
    void *memory = realloc(old, size);
    if (memory == NULL)
        __builtin_trap();
    return memory;
}
