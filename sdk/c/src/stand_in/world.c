#include "world.h"

cofferdam_world cofferdam_the_world = {.operations_left = -1};

void cofferdam_world_clear(void) {
    cofferdam_arena_reset();
    memset(&cofferdam_the_world, 0, sizeof cofferdam_the_world);
    cofferdam_the_world.operations_left = -1;
}
