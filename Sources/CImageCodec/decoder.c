#include "decoder.h"

cic_decoder *cic_open(cic_format format, const uint8_t *data, size_t size) {
  return format == CIC_PNG ? cic_png_open(data, size) : cic_jpeg_open(data, size);
}

void cic_close(cic_decoder *decoder) {
  if (decoder != NULL) decoder->operations->close(decoder);
}

cic_status cic_read_header(cic_decoder *decoder, uint32_t *width, uint32_t *height) {
  return decoder->operations->read_header(decoder, width, height);
}

cic_status cic_start(cic_decoder *decoder, unsigned scale_num, uint32_t *width, uint32_t *height,
                     uint32_t *channels) {
  return decoder->operations->start(decoder, scale_num, width, height, channels);
}

cic_status cic_narrow(cic_decoder *decoder, uint32_t *x, uint32_t *width) {
  return decoder->operations->narrow(decoder, x, width);
}

cic_status cic_read_rows(cic_decoder *decoder, uint8_t *rows, size_t stride, size_t count) {
  return decoder->operations->read_rows(decoder, rows, stride, count);
}

const char *cic_message(const cic_decoder *decoder) { return decoder->message; }
