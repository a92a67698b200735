#include "ingest/loop/loop.h"
