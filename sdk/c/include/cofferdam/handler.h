/* What makes a plugin of a function. */
#ifndef COFFERDAM_HANDLER_H
#define COFFERDAM_HANDLER_H

#include "message.h"
#include "output.h"

COFFERDAM_BEGIN

/* Handles one message. The same message can come again, after a crash or when a partition moves. An instance is used for
 * further messages and dropped after any trap: variables that outlive the call are caches at best. */
typedef cofferdam_result cofferdam_handler(const cofferdam_message *message, cofferdam_outputs *outputs);

/* One message of several, with room for how it ends. */
typedef struct cofferdam_attempt {
    const cofferdam_message *message;
    cofferdam_outputs *outputs;
    cofferdam_result result; /* to be written for each of them */
} cofferdam_attempt;

/* Handles several messages of one route, in their order. One that failed fails none of the others. */
typedef void cofferdam_batch_handler(cofferdam_attempt *attempts, size_t count);

/* The function below is the plugin's handler; `COFFERDAM_HANDLER(handle);` stands once in a plugin. */
#define COFFERDAM_HANDLER(function)                                                                                     \
    COFFERDAM_C cofferdam_result cofferdam_plugin_handle(const cofferdam_message *, cofferdam_outputs *);               \
    COFFERDAM_C cofferdam_result cofferdam_plugin_handle(const cofferdam_message *message, cofferdam_outputs *outputs) { \
        return function(message, outputs);                                                                              \
    }                                                                                                                   \
    COFFERDAM_EXPORT_HANDLER                                                                                            \
    COFFERDAM_STATIC_ASSERT(1, "takes the semicolon")

/* The same for one that is quicker with several messages at once. It is given whatever is waiting, often one. */
#define COFFERDAM_BATCH_HANDLER(function)                                                                               \
    COFFERDAM_C void cofferdam_plugin_handle_batch(cofferdam_attempt *, size_t);                                        \
    COFFERDAM_C void cofferdam_plugin_handle_batch(cofferdam_attempt *attempts, size_t count) {                         \
        function(attempts, count);                                                                                      \
    }                                                                                                                   \
    static cofferdam_result cofferdam_plugin_handle_one(const cofferdam_message *message, cofferdam_outputs *outputs) {  \
        cofferdam_attempt attempt = {message, outputs, {COFFERDAM_UNDECIDED, {NULL, 0}, {NULL, 0}, false, 0}};           \
        function(&attempt, 1);                                                                                          \
        return attempt.result;                                                                                          \
    }                                                                                                                   \
    COFFERDAM_EXPORT_BATCH_HANDLER                                                                                      \
    COFFERDAM_HANDLER(cofferdam_plugin_handle_one)

/* What the host calls; only a plugin has it. */
#ifdef __wasm__
void *cofferdam_call(cofferdam_handler *handler, void *message);
void *cofferdam_call_batch(cofferdam_batch_handler *handler, void *messages, size_t count);
void cofferdam_called(void);

#define COFFERDAM_EXPORT(name, result, function, parameters)                       \
    COFFERDAM_C __attribute__((export_name(name))) result function parameters;      \
    COFFERDAM_C result function parameters

#define COFFERDAM_EXPORT_HANDLER                                                                                        \
    COFFERDAM_EXPORT("cofferdam:plugin/handler@0.1.0#handle", void *, cofferdam_export_handle, (void *message)) {        \
        return cofferdam_call(cofferdam_plugin_handle, message);                                                        \
    }                                                                                                                   \
    COFFERDAM_EXPORT("cabi_post_cofferdam:plugin/handler@0.1.0#handle", void, cofferdam_export_handled, (void *result)) { \
        (void)result;                                                                                                   \
        cofferdam_called();                                                                                             \
    }

#define COFFERDAM_EXPORT_BATCH_HANDLER                                                                                  \
    COFFERDAM_EXPORT("cofferdam:plugin/batch-handler@0.1.0#handle-batch", void *, cofferdam_export_handle_batch,         \
                     (void *messages, size_t count)) {                                                                  \
        return cofferdam_call_batch(cofferdam_plugin_handle_batch, messages, count);                                    \
    }                                                                                                                   \
    COFFERDAM_EXPORT("cabi_post_cofferdam:plugin/batch-handler@0.1.0#handle-batch", void,                               \
                     cofferdam_export_handled_batch, (void *result)) {                                                  \
        (void)result;                                                                                                   \
        cofferdam_called();                                                                                             \
    }
#else
#define COFFERDAM_EXPORT_HANDLER
#define COFFERDAM_EXPORT_BATCH_HANDLER
#endif

COFFERDAM_END

#endif
