/* Where all memory of one call comes from. */
#ifndef COFFERDAM_ARENA_H
#define COFFERDAM_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "cofferdam/memory.h"

/* Traps without a text, such as that there is no memory left. */
extern bool cofferdam_mute;

/* Memory of that size and alignment, a power of two, never NULL. */
void *cofferdam_arena_take(size_t size, size_t alignment);

/* Makes room for more behind what was taken, in place where it was taken last, else elsewhere with its contents. */
void *cofferdam_arena_grow(void *memory, size_t old_size, size_t new_size, size_t alignment);

/* Room for `count + 1` elements of that size: the same memory while it lasts, else a copy of twice as many. No capacity has to
 * be kept beside it, because room grows at powers of two only. */
void *cofferdam_arena_one_more(void *elements, size_t count, size_t element_size);

/* `size` bytes and a zero behind them. */
char *cofferdam_arena_string(size_t size);

/* Runs a function when the call ends, while the host can still be asked; the last one first. */
void cofferdam_arena_at_end(void (*function)(void *), void *argument);
void cofferdam_arena_end(void);

/* Gives up all of it, but for a little that the next call will need. */
void cofferdam_arena_reset(void);

/* What is held, in bytes, for tests. */
size_t cofferdam_arena_size(void);

#endif
