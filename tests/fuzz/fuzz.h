/*
 * fuzz.h: what every fuzzer defines.
 *
 * One file per parser. Built with -Dfuzz=true (clang) it is a libFuzzer program; replay.c runs the
 * same function over the corpus, and over mutations of it, as an ordinary test.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
