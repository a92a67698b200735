#include "ingest/base/yaml.h"
