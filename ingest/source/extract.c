#include "ingest/source/extract.h"
