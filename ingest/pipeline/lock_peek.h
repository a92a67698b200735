/*
 * lock_peek.h: who holds a lock, without taking part: a lock that is tried would turn others away.
 */
#pragma once

/** lock_peek() - the process that holds the lock of @folder, as the kernel lists it
 * Return: its pid; 0 for nobody, or where /proc does not tell. */
long lock_peek(const char *folder);
