/* What differs between C and C++, and between compilers. */
#ifndef COFFERDAM_LANGUAGE_H
#define COFFERDAM_LANGUAGE_H

#ifdef __cplusplus
#define COFFERDAM_BEGIN extern "C" {
#define COFFERDAM_END }
#define COFFERDAM_C extern "C"
#define COFFERDAM_NORETURN [[noreturn]]
#define COFFERDAM_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define COFFERDAM_BEGIN
#define COFFERDAM_END
#define COFFERDAM_C extern
#define COFFERDAM_NORETURN _Noreturn
#define COFFERDAM_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#if defined(__GNUC__)
/* The compiler holds the values against the format, as it does for printf. */
#define COFFERDAM_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
/* A failure that nobody looks at is a message that is taken for handled. */
#define COFFERDAM_MUST_USE __attribute__((__warn_unused_result__))
#else
#define COFFERDAM_PRINTF(text, first)
#define COFFERDAM_MUST_USE
#endif

#endif
