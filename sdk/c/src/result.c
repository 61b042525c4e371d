#include "cofferdam/result.h"

#include "cofferdam/memory.h"

static cofferdam_result failure(cofferdam_outcome outcome, const char *code, const char *format, va_list arguments) {
    cofferdam_result made = {outcome, cofferdam_keep(cofferdam_text(code)), cofferdam_format_list(format, arguments),
                             false, 0};
    return made;
}

cofferdam_result cofferdam_done(void) {
    cofferdam_result done = {COFFERDAM_DONE, cofferdam_none(), cofferdam_none(), false, 0};
    return done;
}

cofferdam_result cofferdam_retryable(const char *code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_result made = failure(COFFERDAM_RETRYABLE, code, format, arguments);
    va_end(arguments);
    return made;
}

cofferdam_result cofferdam_permanent(const char *code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_result made = failure(COFFERDAM_PERMANENT, code, format, arguments);
    va_end(arguments);
    return made;
}

cofferdam_result cofferdam_deferred(const char *code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_result made = failure(COFFERDAM_DEFERRED, code, format, arguments);
    va_end(arguments);
    return made;
}

cofferdam_result cofferdam_validation_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cofferdam_result made = failure(COFFERDAM_PERMANENT, "VALIDATION_ERROR", format, arguments);
    va_end(arguments);
    return made;
}

cofferdam_result cofferdam_after(cofferdam_result failure, uint64_t milliseconds) {
    failure.has_retry_after = true;
    failure.retry_after_ms = milliseconds;
    return failure;
}
