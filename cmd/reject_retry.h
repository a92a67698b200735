/*
 * reject_retry.h: `erp2couch rejects retry`.
 */
#pragma once

#include "cmd/cli.h"

int reject_retry(struct cli *cli);
