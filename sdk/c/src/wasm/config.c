/* The host's wasi:config. */
#include "../host.h"
#include "convert.h"

#define CONFIG "wasi:config/store@0.2.0-rc.1"

/* get: func(key: string) -> result<option<string>, error> */
COFFERDAM_IMPORT(CONFIG, "get") void wit_config_get(const char *key, size_t length, wit_config_value *value);
/* get-all: func() -> result<list<tuple<string, string>>, error> */
COFFERDAM_IMPORT(CONFIG, "get-all") void wit_config_get_all(wit_config_values *values);

bool cofferdam_host_config_get(cofferdam_string name, cofferdam_string *value, cofferdam_string *error) {
    wit_config_value answer;
    wit_config_get(name.data, name.length, &answer);
    if (answer.is_error)
        *error = cofferdam_lift(answer.of.error.text);
    else
        *value = cofferdam_lift_option(answer.of.value);
    return !answer.is_error;
}

bool cofferdam_host_config_all(const cofferdam_pair **pairs, size_t *count, cofferdam_string *error) {
    wit_config_values answer;
    wit_config_get_all(&answer);
    if (answer.is_error) {
        *error = cofferdam_lift(answer.of.error.text);
        return false;
    }
    *pairs = cofferdam_lift_pairs(answer.of.values);
    *count = answer.of.values.length;
    return true;
}
