#include "ingest/couch/rev.h"
