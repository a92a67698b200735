#include "ingest/base/log.h"
