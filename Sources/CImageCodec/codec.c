#include "cimagecodec.h"
