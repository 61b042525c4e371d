/* One attempt at a message, the same in a plugin and in a test. */
#ifndef COFFERDAM_RUN_H
#define COFFERDAM_RUN_H

#include "cofferdam/handler.h"

cofferdam_outputs *cofferdam_outputs_new(void);

/* Calls the handler and looks at what it answers. */
cofferdam_result cofferdam_run(cofferdam_handler *handler, const cofferdam_message *message, cofferdam_outputs *outputs);

/* An attempt for each message, with no result yet. */
cofferdam_attempt *cofferdam_attempts_new(const cofferdam_message *messages, size_t count);

/* Calls it with attempts of which messages and outputs are there. */
void cofferdam_run_batch(cofferdam_batch_handler *handler, cofferdam_attempt *attempts, size_t count);

#endif
