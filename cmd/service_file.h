/*
 * service_file.h: where the service of a state folder listens: a file in that folder.
 *
 * For `status`, which else knows no port that the kernel picked, and no socket that a service
 * manager gave. The file names the process; what a killed one left behind is passed over. Whoever
 * reads it still asks the service whose it is: a process id may be another's by now.
 */
#pragma once

#include "cmd/service_ask.h"

/** service_file_write() - says that this process listens at @address ("127.0.0.1:8090")
 * Written aside and renamed: it is never half there. Return: 0; -class. */
int service_file_write(const char *state_dir, const char *address, struct err *e)
        __attribute__((warn_unused_result));

/** service_file_remove() - unless it is another process's by now */
void service_file_remove(const char *state_dir);

/** service_file_read() - Return: false: there is none, or its process is gone. */
bool service_file_read(const char *state_dir, char out[SERVICE_ADDRESS_MAX]);
