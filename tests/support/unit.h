/* unit.h: cmocka with what its header needs before it. Every unit test includes this first. */
#ifndef MILLRACE_TESTS_UNIT_H
#define MILLRACE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
