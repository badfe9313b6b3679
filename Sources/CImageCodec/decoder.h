/* What the two formats have in common: a decoder begins with its table of operations. */
#ifndef CIC_DECODER_H
#define CIC_DECODER_H

#include "cimagecodec.h"

typedef struct cic_operations {
  void (*close)(cic_decoder *decoder);
  cic_status (*read_header)(cic_decoder *decoder, uint32_t *width, uint32_t *height);
  cic_status (*start)(cic_decoder *decoder, unsigned scale_num, uint32_t *width, uint32_t *height,
                      uint32_t *channels);
  cic_status (*narrow)(cic_decoder *decoder, uint32_t *x, uint32_t *width);
  cic_status (*read_rows)(cic_decoder *decoder, uint8_t *rows, size_t stride, size_t count);
} cic_operations;

struct cic_decoder {
  const cic_operations *operations;
  cic_status status; /* why the library jumped out */
  char message[CIC_MESSAGE_CAPACITY];
};

cic_decoder *cic_jpeg_open(const uint8_t *data, size_t size);
cic_decoder *cic_png_open(const uint8_t *data, size_t size);

#endif /* CIC_DECODER_H */
