#include "world.h"

#define WORLD (&cofferdam_the_world)

void cofferdam_host_log(cofferdam_level level, cofferdam_string line) {
    WORLD->lines = cofferdam_arena_one_more(WORLD->lines, WORLD->line_count, sizeof(cofferdam_test_line));
    WORLD->lines[WORLD->line_count].level = level;
    WORLD->lines[WORLD->line_count++].text = line;
}

const cofferdam_test_line *cofferdam_test_log(size_t index) {
    return index < WORLD->line_count ? &WORLD->lines[index] : NULL;
}
