#include "world.h"

#define WORLD (&cofferdam_the_world)

static cofferdam_pair *find(cofferdam_string name) {
    for (size_t at = 0; at < WORLD->config_count; at++)
        if (cofferdam_equal(WORLD->config[at].name, name))
            return &WORLD->config[at];
    return NULL;
}

void cofferdam_test_set_config(const char *name, const char *value) {
    cofferdam_pair *known = find(cofferdam_text(name));
    if (known != NULL)
        *known = WORLD->config[--WORLD->config_count];
    if (value != NULL)
        cofferdam_pairs_add(&WORLD->config, &WORLD->config_count, cofferdam_text(name), cofferdam_text(value));
}

bool cofferdam_host_config_get(cofferdam_string name, cofferdam_string *value, cofferdam_string *error) {
    (void)error;
    const cofferdam_pair *known = find(name);
    *value = known == NULL ? cofferdam_none() : known->value;
    return true;
}

bool cofferdam_host_config_all(const cofferdam_pair **pairs, size_t *count, cofferdam_string *error) {
    (void)error;
    *pairs = WORLD->config;
    *count = WORLD->config_count;
    return true;
}
