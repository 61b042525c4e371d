#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cofferdam/result.h"

/* The first chunk is kept from call to call, so a handler of small messages asks the allocator for nothing. */
#define FIRST ((size_t)16 << 10)
/* Chunks double up to here, so that many are few and little is left over. */
#define LARGEST ((size_t)1 << 20)

typedef struct chunk {
    struct chunk *older;
    size_t size;
    size_t used;
    char memory[];
} chunk;

typedef struct ending {
    struct ending *next;
    void (*function)(void *);
    void *argument;
} ending;

static chunk *newest;
static ending *endings;

/* A plugin that asks for more than its limit ends here: the refusal is counted by the host, the text says where it came from. */
COFFERDAM_NORETURN static void out_of_memory(size_t size) {
    cofferdam_abort("out of memory: %lu bytes more were asked for", (unsigned long)size);
}

static void add_chunk(size_t least) {
    size_t size = newest == NULL ? FIRST : newest->size < LARGEST ? newest->size * 2 : LARGEST;
    if (size < least)
        size = least;
    chunk *added = malloc(sizeof(chunk) + size);
    if (added == NULL)
        out_of_memory(least);
    added->older = newest;
    added->size = size;
    added->used = 0;
    newest = added;
}

/* How much of the chunk is lost when something with that alignment begins. */
static size_t gap(const chunk *in, size_t alignment) {
    return (size_t)(-(uintptr_t)(in->memory + in->used) & (alignment - 1));
}

void *cofferdam_arena_take(size_t size, size_t alignment) {
    if (size > SIZE_MAX / 4)
        out_of_memory(size);
    if (newest == NULL || gap(newest, alignment) + size > newest->size - newest->used)
        add_chunk(size + alignment);
    newest->used += gap(newest, alignment);
    void *taken = newest->memory + newest->used;
    newest->used += size;
    return taken;
}

void *cofferdam_arena_grow(void *memory, size_t old_size, size_t new_size, size_t alignment) {
    if (newest != NULL && old_size > 0 && (char *)memory + old_size == newest->memory + newest->used &&
        new_size >= old_size && new_size - old_size <= newest->size - newest->used) {
        newest->used += new_size - old_size;
        return memory;
    }
    void *moved = cofferdam_arena_take(new_size, alignment);
    if (old_size > 0)
        memcpy(moved, memory, old_size < new_size ? old_size : new_size);
    return moved;
}

void *cofferdam_arena_one_more(void *elements, size_t count, size_t element_size) {
    if (count > 0 && (count & (count - 1)) != 0)
        return elements;
    if (count > SIZE_MAX / 4 / element_size)
        out_of_memory(count);
    size_t room = count == 0 ? 1 : count * 2;
    return cofferdam_arena_grow(elements, count * element_size, room * element_size, _Alignof(max_align_t));
}

char *cofferdam_arena_string(size_t size) {
    if (size == SIZE_MAX)
        out_of_memory(size);
    char *string = cofferdam_arena_take(size + 1, 1);
    string[size] = '\0';
    return string;
}

void *cofferdam_allocate(size_t size) {
    return cofferdam_arena_take(size, _Alignof(max_align_t));
}

cofferdam_string cofferdam_keep(cofferdam_string string) {
    if (string.data == NULL)
        return string;
    char *copy = cofferdam_arena_string(string.length);
    memcpy(copy, string.data, string.length);
    return cofferdam_bytes(copy, string.length);
}

void cofferdam_arena_at_end(void (*function)(void *), void *argument) {
    ending *added = cofferdam_allocate(sizeof(ending));
    added->next = endings;
    added->function = function;
    added->argument = argument;
    endings = added;
}

void cofferdam_arena_end(void) {
    while (endings != NULL) {
        ending *first = endings;
        endings = first->next;
        first->function(first->argument);
    }
}

void cofferdam_arena_reset(void) {
    cofferdam_arena_end();
    while (newest != NULL && (newest->older != NULL || newest->size > FIRST)) {
        chunk *given_up = newest;
        newest = given_up->older;
        free(given_up);
    }
    if (newest != NULL)
        newest->used = 0;
}

size_t cofferdam_arena_size(void) {
    size_t size = 0;
    for (const chunk *in = newest; in != NULL; in = in->older)
        size += in->size;
    return size;
}
