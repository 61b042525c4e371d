/* How an attempt at a message ended. */
#ifndef COFFERDAM_RESULT_H
#define COFFERDAM_RESULT_H

#include "string.h"

COFFERDAM_BEGIN

typedef enum cofferdam_outcome {
    COFFERDAM_UNDECIDED, /* not to be returned: it is what forgotten memory has in it, so it traps */
    COFFERDAM_DONE,      /* outputs are published, then the message is acknowledged */
    COFFERDAM_RETRYABLE, /* tried again with `attempt` counted up; dead letter when the attempts are used up */
    COFFERDAM_PERMANENT, /* dead letter at once: the message itself is wrong */
    COFFERDAM_DEFERRED   /* tried again later without counting, until it is older than the route's `max_age` */
} cofferdam_outcome;

/* Make one with the functions below. */
typedef struct cofferdam_result {
    cofferdam_outcome outcome;
    cofferdam_string code; /* for machines: 1 to 64 of A-Z, 0-9 and _; the host puts INVALID_CODE for anything else */
    cofferdam_string text; /* for people, cut after 4 KiB; it appears in logs and dead letters, so no secrets */
    bool has_retry_after;
    uint64_t retry_after_ms; /* a wish, which the host clamps to the route's policy */
} cofferdam_result;

COFFERDAM_MUST_USE cofferdam_result cofferdam_done(void);

COFFERDAM_MUST_USE cofferdam_result cofferdam_retryable(const char *code, const char *format, ...) COFFERDAM_PRINTF(2, 3);
COFFERDAM_MUST_USE cofferdam_result cofferdam_permanent(const char *code, const char *format, ...) COFFERDAM_PRINTF(2, 3);
COFFERDAM_MUST_USE cofferdam_result cofferdam_deferred(const char *code, const char *format, ...) COFFERDAM_PRINTF(2, 3);

/* Permanent VALIDATION_ERROR. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_validation_error(const char *format, ...) COFFERDAM_PRINTF(1, 2);

/* The same failure with a wish for the time until the next attempt: `cofferdam_after(cofferdam_retryable(...), 30000)`. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_after(cofferdam_result failure, uint64_t milliseconds);

static inline bool cofferdam_failed(cofferdam_result result) {
    return result.outcome != COFFERDAM_DONE;
}

/* Returns from the function it stands in where what is tried has failed. */
#define COFFERDAM_TRY(expression)                          \
    do {                                                   \
        cofferdam_result cofferdam_tried = (expression);   \
        if (cofferdam_failed(cofferdam_tried))             \
            return cofferdam_tried;                        \
    } while (0)

/* For bugs, and never for what a message says: writes the text to standard error and traps. The host drops the instance,
 * tries again, and files a message that does so every time as dead. */
COFFERDAM_NORETURN void cofferdam_abort(const char *format, ...) COFFERDAM_PRINTF(1, 2);

COFFERDAM_END

#endif
