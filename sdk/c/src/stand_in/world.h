/* A host in memory. */
#ifndef COFFERDAM_WORLD_H
#define COFFERDAM_WORLD_H

#include "../arena.h"
#include "../host.h"
#include "../pairs.h"
#include "cofferdam_test.h"

/* The most buckets and handles of a test. */
#define COFFERDAM_WORLD_ROOM 64

typedef struct cofferdam_world_bucket {
    const char *name;
    cofferdam_pair *values;
    size_t count;
} cofferdam_world_bucket;

typedef struct cofferdam_world_note {
    bool open;
    int32_t bucket;
    cofferdam_string key;
    cofferdam_string value;
} cofferdam_world_note;

typedef struct cofferdam_world {
    cofferdam_pair *config;
    size_t config_count;
    cofferdam_test_line *lines;
    size_t line_count;
    cofferdam_world_bucket buckets[COFFERDAM_WORLD_ROOM];
    int32_t bucket_count;
    cofferdam_world_note notes[COFFERDAM_WORLD_ROOM];
    int open_buckets; /* of those handed out */
    int operations_left; /* negative: as many as one likes */
    void (*before_swap)(void);
    cofferdam_test_server *server;
} cofferdam_world;

extern cofferdam_world cofferdam_the_world;

/* Nothing in it. */
void cofferdam_world_clear(void);

#endif
