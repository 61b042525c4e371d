/* Log lines of the plugin. The host bounds them in lines and bytes, escapes control characters, and adds plugin, route
 * and message. Standard output and standard error become log lines too; this adds a level. */
#ifndef COFFERDAM_LOG_H
#define COFFERDAM_LOG_H

#include "string.h"

COFFERDAM_BEGIN

typedef enum cofferdam_level {
    COFFERDAM_TRACE, /* steps and values inside the handler */
    COFFERDAM_DEBUG, /* for somebody who looks for a bug */
    COFFERDAM_INFO,  /* for somebody who watches the service */
    COFFERDAM_WARN,  /* something is off and was survived */
    COFFERDAM_ERROR  /* something failed */
} cofferdam_level;

/* Writes one line. What is not UTF-8 in it becomes U+FFFD. */
void cofferdam_log(cofferdam_level level, const char *format, ...) COFFERDAM_PRINTF(2, 3);

COFFERDAM_END

#endif
