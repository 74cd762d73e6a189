/* Compiler attributes under short names; gcc and clang. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST_CHECK          __attribute__((warn_unused_result))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
