/* SPDX-License-Identifier: Apache-2.0
 *
 * Write Cofferdam message handlers in C or C++: one function, and one line that makes a plugin of it.
 *
 *     #include "cofferdam.h"
 *
 *     static cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
 *         const cofferdam_json *order;
 *         COFFERDAM_TRY(cofferdam_message_json(message, &order));   // not JSON: permanent VALIDATION_ERROR
 *         if (cofferdam_json_count(cofferdam_json_member(order, "items")) == 0)
 *             return cofferdam_validation_error("an order without items");
 *         cofferdam_output *output = cofferdam_output_new(outputs, "billable");
 *         cofferdam_output_set_payload(output, message->payload);
 *         return cofferdam_done();
 *     }
 *
 *     COFFERDAM_HANDLER(handle);
 *
 * Memory: whatever these functions give out lives until the call of the handler has ended, and is then gone, all at once. So
 * a handler frees nothing, and keeps none of it in variables that outlive the call. What a handler gives to these
 * functions may be gone right after they return.
 *
 * What a plugin has to be granted is asked for by using it: one that calls a function of keyvalue.h or http.h needs the
 * grant, one that does not has no such import. */
#ifndef COFFERDAM_H
#define COFFERDAM_H

#define COFFERDAM_SDK_VERSION "0.1.0"

#include "cofferdam/string.h"
#include "cofferdam/memory.h"
#include "cofferdam/result.h"
#include "cofferdam/json.h"
#include "cofferdam/message.h"
#include "cofferdam/output.h"
#include "cofferdam/cloudevents.h"
#include "cofferdam/config.h"
#include "cofferdam/log.h"
#include "cofferdam/keyvalue.h"
#include "cofferdam/http.h"
#include "cofferdam/handler.h"

#endif
