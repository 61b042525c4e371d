/* What the host's error codes for requests mean for a handler. */
#ifndef COFFERDAM_HTTP_ERROR_H
#define COFFERDAM_HTTP_ERROR_H

#include "../host.h"

/* `code` is the case of the variant error-code of wasi:http/types. */
cofferdam_http_outcome cofferdam_http_error(uint8_t code);

#endif
