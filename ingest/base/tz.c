#include "ingest/base/tz.h"
