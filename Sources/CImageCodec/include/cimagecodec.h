/* JPEG and PNG decoding.
 *
 * libjpeg and libpng report errors with longjmp. Every jump starts and lands inside one function of
 * this target, so that none crosses a caller's frame. Nothing here prints or opens a file.
 *
 * A decoder is used by one thread at a time. Rows are handed out from top to bottom, as 8-bit gray
 * (1 channel) or RGB (3 channels): alpha is dropped, palettes are resolved, 16-bit samples take their
 * high byte, CMYK becomes RGB. That is Pillow's convert("RGB"), except for 16-bit gray, which it clips.
 */
#ifndef CIMAGECODEC_H
#define CIMAGECODEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the longest message, its NUL included. */
#define CIC_MESSAGE_CAPACITY 256

/* Scans that a JPEG may have. Encoders write about ten; each costs a walk over the whole image. */
#define CIC_MAX_SCANS 100

/* Columns that a PNG may have. Its rows are decoded whole, in several buffers, and a long one of a single colour
 * takes next to no room in a file. A JPEG has 65,535 at most. */
#define CIC_MAX_COLUMNS 1000000

typedef enum cic_status {
  CIC_OK = 0,
  CIC_TRUNCATED = 1,      /* the data ended too early */
  CIC_DAMAGED = 2,        /* the data contradicts its format; cic_message() says how */
  CIC_OUT_OF_MEMORY = 3,
  CIC_TOO_MANY_SCANS = 4, /* more than CIC_MAX_SCANS */
  CIC_TOO_WIDE = 5        /* more than CIC_MAX_COLUMNS */
} cic_status;

typedef enum cic_format { CIC_JPEG = 0, CIC_PNG = 1 } cic_format;

typedef struct cic_decoder cic_decoder;

/* Makes a decoder of `data`, which must stay as it is until cic_close(). NULL: out of memory. */
cic_decoder *cic_open(cic_format format, const uint8_t *data, size_t size);

/* Frees a decoder. */
void cic_close(cic_decoder *decoder);

/* Reads the header: width and height at full size. No memory is taken in proportion to them. */
cic_status cic_read_header(cic_decoder *decoder, uint32_t *width, uint32_t *height);

/* Starts decoding, after cic_read_header(). A JPEG is decoded at scale_num / 8 of its size
 * (scale_num 1, 2, 4 or 8), rounded up; of a PNG scale_num is ignored. Says what the rows will be. */
cic_status cic_start(cic_decoder *decoder, unsigned scale_num, uint32_t *width, uint32_t *height,
                     uint32_t *channels);

/* Narrows the rows, after cic_start() and before the first of them, to columns that include those from
 * *x on, *width of them, and says which they are. The pixels stay the same. A JPEG then saves the work
 * for the other columns; a PNG keeps them all. */
cic_status cic_narrow(cic_decoder *decoder, uint32_t *x, uint32_t *width);

/* Reads the next `count` rows to rows, rows + stride, ... */
cic_status cic_read_rows(cic_decoder *decoder, uint8_t *rows, size_t stride, size_t count);

/* What the library said of the failure; "" if nothing. Valid until cic_close(). */
const char *cic_message(const cic_decoder *decoder);

#ifdef __cplusplus
}
#endif

#endif /* CIMAGECODEC_H */
