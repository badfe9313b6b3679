/* PNG through libpng. Of the chunks only IHDR, PLTE, tRNS and IDAT are read: colour spaces do not
 * change pixels in Pillow either, and text and profiles may inflate to any size. A critical chunk whose
 * checksum is wrong makes a damaged file, where Pillow shows whatever image data inflates to. */
#include "decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct png_decoder {
  cic_decoder base;
  png_structp png;
  png_infop info;
  const uint8_t *next;
  size_t remaining;
  size_t row_bytes;
  uint8_t *image;   /* all rows, when the file is interlaced */
  size_t image_row; /* the next of them */
} png_decoder;

static void fail(png_structp png, png_const_charp message) {
  png_decoder *decoder = png_get_error_ptr(png);
  /* libpng has no code for it, but "memory" in every message of an allocation that failed, and in no other. */
  if (decoder->base.status == CIC_OK)
    decoder->base.status = strstr(message, "memory") != NULL ? CIC_OUT_OF_MEMORY : CIC_DAMAGED;
  snprintf(decoder->base.message, sizeof decoder->base.message, "%s", message);
  png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static void read_data(png_structp png, png_bytep bytes, size_t count) {
  png_decoder *decoder = png_get_io_ptr(png);
  if (count > decoder->remaining) {
    decoder->base.status = CIC_TRUNCATED;
    png_error(png, "the data ends too early");
  }
  memcpy(bytes, decoder->next, count);
  decoder->next += count;
  decoder->remaining -= count;
}

static void png_close(cic_decoder *base) {
  png_decoder *decoder = (png_decoder *)base;
  png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
  free(decoder->image);
  free(decoder);
}

static cic_status png_header(cic_decoder *base, uint32_t *width, uint32_t *height) {
  png_decoder *decoder = (png_decoder *)base;
  png_structp png = decoder->png;
  if (setjmp(png_jmpbuf(png))) return base->status;
  png_set_read_fn(png, decoder, read_data);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* limited below, and by the caller */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, decoder->info);
  *width = png_get_image_width(png, decoder->info);
  *height = png_get_image_height(png, decoder->info);
  /* libpng takes memory for rows only once they are read. */
  return *width > CIC_MAX_COLUMNS ? CIC_TOO_WIDE : CIC_OK;
}

/* Reads the passes of an interlaced file, of which only the last completes a row. */
static cic_status read_passes(png_decoder *decoder, int passes, uint32_t height) {
  size_t size;
  if (__builtin_mul_overflow(decoder->row_bytes, (size_t)height, &size)) return CIC_OUT_OF_MEMORY;
  decoder->image = malloc(size);
  if (decoder->image == NULL) return CIC_OUT_OF_MEMORY;
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < height; y++)
      png_read_row(decoder->png, decoder->image + y * decoder->row_bytes, NULL);
  return CIC_OK;
}

static cic_status png_start(cic_decoder *base, unsigned scale_num, uint32_t *width,
                            uint32_t *height, uint32_t *channels) {
  (void)scale_num;
  png_decoder *decoder = (png_decoder *)base;
  png_structp png = decoder->png;
  if (setjmp(png_jmpbuf(png))) return base->status;
  int gray = (png_get_color_type(png, decoder->info) & PNG_COLOR_MASK_COLOR) == 0;
  if (gray) png_set_expand_gray_1_2_4_to_8(png);
  if (png_get_color_type(png, decoder->info) == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, decoder->info);
  *width = png_get_image_width(png, decoder->info);
  *height = png_get_image_height(png, decoder->info);
  *channels = gray ? 1 : 3;
  decoder->row_bytes = png_get_rowbytes(png, decoder->info);
  if (decoder->row_bytes != (size_t)*width * *channels) {
    snprintf(base->message, sizeof base->message, "an unknown layout of pixels");
    return CIC_DAMAGED;
  }
  return passes > 1 ? read_passes(decoder, passes, *height) : CIC_OK;
}

static cic_status png_narrow(cic_decoder *base, uint32_t *x, uint32_t *width) {
  png_decoder *decoder = (png_decoder *)base;
  *x = 0;
  *width = png_get_image_width(decoder->png, decoder->info);
  return CIC_OK;
}

static cic_status png_rows(cic_decoder *base, uint8_t *rows, size_t stride, size_t count) {
  png_decoder *decoder = (png_decoder *)base;
  if (setjmp(png_jmpbuf(decoder->png))) return base->status;
  for (size_t i = 0; i < count; i++, rows += stride) {
    if (decoder->image != NULL)
      memcpy(rows, decoder->image + decoder->image_row++ * decoder->row_bytes, decoder->row_bytes);
    else
      png_read_row(decoder->png, rows, NULL);
  }
  return CIC_OK;
}

static const cic_operations png_operations = {png_close, png_header, png_start, png_narrow, png_rows};

cic_decoder *cic_png_open(const uint8_t *data, size_t size) {
  png_decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder == NULL) return NULL;
  decoder->base.operations = &png_operations;
  decoder->next = data;
  decoder->remaining = size;
  decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, fail, ignore_warning);
  if (decoder->png != NULL) decoder->info = png_create_info_struct(decoder->png);
  if (decoder->info == NULL) {
    png_close(&decoder->base);
    return NULL;
  }
  return &decoder->base;
}
