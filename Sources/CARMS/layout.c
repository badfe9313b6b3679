#include "../../include/arms.h"
