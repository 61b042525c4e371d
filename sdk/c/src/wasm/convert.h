/* Between the values an author sees and how they lie when they cross. */
#ifndef COFFERDAM_CONVERT_H
#define COFFERDAM_CONVERT_H

#include "../run.h"
#include "layout.h"

/* An import: a function of an interface of the host. */
#define COFFERDAM_IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))

/* The strings stay where they are; what came from the host has a zero behind it (see memory.c). */
cofferdam_string cofferdam_lift(wit_list list);
cofferdam_string cofferdam_lift_option(wit_option_list option);
cofferdam_pair *cofferdam_lift_pairs(wit_list list);
cofferdam_message *cofferdam_lift_messages(const wit_message *messages, size_t count);

wit_list cofferdam_lower(cofferdam_string string);
wit_list cofferdam_lower_pairs(const cofferdam_pair *pairs, size_t count);
wit_result cofferdam_lower_result(cofferdam_result result, const cofferdam_outputs *outputs);

#endif
