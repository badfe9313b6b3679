#ifndef CIMAGECODEC_H
#define CIMAGECODEC_H
#endif
