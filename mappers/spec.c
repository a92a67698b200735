#include "mappers/spec.h"
