#include "ingest/base/options.h"
