#include "cblas_loader.h"
