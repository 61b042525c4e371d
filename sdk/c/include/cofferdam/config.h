/* The plugin's own `config` and `secrets` of the configuration file, as strings. */
#ifndef COFFERDAM_CONFIG_H
#define COFFERDAM_CONFIG_H

#include "result.h"

COFFERDAM_BEGIN

/* The value of `name`, or none. Deferred CONFIGURATION_UNAVAILABLE: the host could not read its configuration. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_config_get(const char *name, cofferdam_string *value);

/* The same. Deferred CONFIGURATION_MISSING: there is none. Deferred, because nothing is wrong with the message: it waits for
 * somebody to mend the configuration rather than being filed as dead. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_config_require(const char *name, cofferdam_string *value);

/* All names with their values, in no particular order. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_config_all(const cofferdam_pair **pairs, size_t *count);

COFFERDAM_END

#endif
