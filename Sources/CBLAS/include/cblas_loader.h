#ifndef CBLAS_LOADER_H
#define CBLAS_LOADER_H
#endif
