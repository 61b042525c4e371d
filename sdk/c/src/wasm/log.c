/* The host's wasi:logging. */
#include "../host.h"
#include "convert.h"

/* log: func(level: level, context: string, message: string), with enum level { trace, debug, info, warn, error, critical } */
COFFERDAM_IMPORT("wasi:logging/logging@0.1.0-draft", "log")
void wit_log(int32_t level, const char *context, size_t context_length, const char *message, size_t length);

void cofferdam_host_log(cofferdam_level level, cofferdam_string line) {
    wit_log((int32_t)level, "", 0, line.data, line.length);
}
