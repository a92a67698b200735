/*
 * copy.h: one row of COPY ... TO STDOUT in text format, taken apart in place.
 *
 * Fields are separated by tabs; within a field, backslash sequences stand for the bytes that
 * would break this, and a field of \N is NULL.
 */
#pragma once

#include "ingest/record/record.h"

/** pg_copy_parse() - the fields of @row into @values
 * @row: @len bytes with or without the closing line feed; unescaped in place, and at least one
 *       byte behind them is readable (libpq puts a NUL there); values borrow from it
 * Return: fields found; more than @count where there are more (the rest is not looked at). */
size_t pg_copy_parse(char *row, size_t len, struct value *values, size_t count);
