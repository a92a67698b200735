#include "ingest/base/clock.h"
