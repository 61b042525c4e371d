/* Memory that lives until the call of the handler has ended. */
#ifndef COFFERDAM_MEMORY_H
#define COFFERDAM_MEMORY_H

#include "string.h"

COFFERDAM_BEGIN

/* Memory for anything, not cleared, never NULL: the plugin traps with a message where there is none left. */
void *cofferdam_allocate(size_t size);

/* A copy that lives as long, with a zero byte behind it. No value stays none. */
cofferdam_string cofferdam_keep(cofferdam_string string);

COFFERDAM_END

#endif
