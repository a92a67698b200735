#include "ingest/loop/http.h"
