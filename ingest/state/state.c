#include "ingest/state/state.h"
