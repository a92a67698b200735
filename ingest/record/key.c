#include "ingest/record/key.h"
