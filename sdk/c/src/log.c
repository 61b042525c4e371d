#include "cofferdam/log.h"

#include "host.h"
#include "utf8.h"

void cofferdam_log(cofferdam_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_string line = cofferdam_format_list(format, arguments);
    va_end(arguments);
    cofferdam_host_log(level, cofferdam_utf8_mended(line));
}
