#include "cofferdam/config.h"

#include "host.h"
#include "utf8.h"

static cofferdam_result unavailable(cofferdam_string why) {
    return cofferdam_deferred("CONFIGURATION_UNAVAILABLE", "%s", why.data);
}

cofferdam_result cofferdam_config_get(const char *name, cofferdam_string *value) {
    cofferdam_string error;
    if (!cofferdam_host_config_get(cofferdam_utf8_mended(cofferdam_text(name)), value, &error))
        return unavailable(error);
    return cofferdam_done();
}

cofferdam_result cofferdam_config_require(const char *name, cofferdam_string *value) {
    COFFERDAM_TRY(cofferdam_config_get(name, value));
    if (cofferdam_is_none(*value))
        return cofferdam_deferred("CONFIGURATION_MISSING", "the plugin's config has no \"%s\"", name);
    return cofferdam_done();
}

cofferdam_result cofferdam_config_all(const cofferdam_pair **pairs, size_t *count) {
    cofferdam_string error;
    if (!cofferdam_host_config_all(pairs, count, &error))
        return unavailable(error);
    return cofferdam_done();
}
