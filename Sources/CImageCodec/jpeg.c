/* JPEG through libjpeg. Truncation and damage are judged as Pillow does: data that ends before the
 * last row is an error, a damaged entropy segment is not (libjpeg warns and goes on). */
#include "decoder.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct jpeg_decoder {
  cic_decoder base;
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  JSAMPROW cmyk; /* one row of CMYK, when the image is */
} jpeg_decoder;

static jpeg_decoder *decoder_of(j_common_ptr jpeg) { return jpeg->client_data; }

static void fail(j_common_ptr jpeg, cic_status status) {
  jpeg_decoder *decoder = decoder_of(jpeg);
  decoder->base.status = status;
  longjmp(decoder->escape, 1);
}

static void error_exit(j_common_ptr jpeg) {
  char text[JMSG_LENGTH_MAX];
  jpeg_decoder *decoder = decoder_of(jpeg);
  jpeg->err->format_message(jpeg, text);
  snprintf(decoder->base.message, sizeof decoder->base.message, "%s", text);
  fail(jpeg, jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? CIC_OUT_OF_MEMORY : CIC_DAMAGED);
}

static void ignore_message(j_common_ptr jpeg, int level) {
  (void)jpeg;
  (void)level;
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

static void keep_source(j_decompress_ptr jpeg) { (void)jpeg; }

/* All the data was there from the beginning: who asks for more has a truncated file. */
static boolean fill_input_buffer(j_decompress_ptr jpeg) {
  fail((j_common_ptr)jpeg, CIC_TRUNCATED);
  return FALSE;
}

static void skip_input_data(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if ((unsigned long)count > jpeg->src->bytes_in_buffer) fail((j_common_ptr)jpeg, CIC_TRUNCATED);
  jpeg->src->next_input_byte += count;
  jpeg->src->bytes_in_buffer -= (size_t)count;
}

/* Called between the steps of reading a file of several scans. */
static void bound_scans(j_common_ptr jpeg) {
  if (((j_decompress_ptr)jpeg)->input_scan_number > CIC_MAX_SCANS) fail(jpeg, CIC_TOO_MANY_SCANS);
}

static void jpeg_close(cic_decoder *base) {
  jpeg_decoder *decoder = (jpeg_decoder *)base;
  jpeg_destroy_decompress(&decoder->jpeg);
  free(decoder);
}

static cic_status jpeg_header(cic_decoder *base, uint32_t *width, uint32_t *height) {
  jpeg_decoder *decoder = (jpeg_decoder *)base;
  if (setjmp(decoder->escape)) return base->status;
  jpeg_read_header(&decoder->jpeg, TRUE);
  int components = decoder->jpeg.num_components;
  if (components != 1 && components != 3 && components != 4) {
    snprintf(base->message, sizeof base->message, "%d colour components, not 1, 3 or 4", components);
    return CIC_DAMAGED;
  }
  *width = decoder->jpeg.image_width;
  *height = decoder->jpeg.image_height;
  return CIC_OK;
}

static cic_status jpeg_start(cic_decoder *base, unsigned scale_num, uint32_t *width,
                             uint32_t *height, uint32_t *channels) {
  jpeg_decoder *decoder = (jpeg_decoder *)base;
  j_decompress_ptr jpeg = &decoder->jpeg;
  if (setjmp(decoder->escape)) return base->status;
  jpeg->scale_num = scale_num;
  jpeg->scale_denom = 8;
  jpeg->out_color_space = jpeg->num_components == 1   ? JCS_GRAYSCALE
                          : jpeg->num_components == 4 ? JCS_CMYK
                                                      : JCS_RGB;
  jpeg_start_decompress(jpeg);
  if (jpeg->num_components == 4)
    decoder->cmyk = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE,
                                           (size_t)jpeg->output_width * 4);
  *width = jpeg->output_width;
  *height = jpeg->output_height;
  *channels = jpeg->num_components == 1 ? 1 : 3;
  return CIC_OK;
}

/* Columns that may differ beside the edge of narrowed rows, beyond which libjpeg-turbo looks at nothing: block
 * smoothing, of a file whose last scans are missing, reads two blocks on either side, and the filter that enlarges
 * chroma one more column. A block is an MCU wide at most. */
#define MARGIN_MCUS 3

/* Whether jpeg_crop_scanline() narrows all components right. For a reduced scale libjpeg enlarges the blocks of
 * subsampled chroma. It leaves nothing to enlarge for 4:2:0, but a factor of two for 4:1:0 at one half, say. The
 * width that jpeg_crop_scanline() then computes for the chroma rows does not know of the larger blocks, and half of
 * each row would be memory that nobody has written. */
static int can_narrow(j_decompress_ptr jpeg) {
  int full = jpeg->max_h_samp_factor * jpeg->min_DCT_scaled_size;
  for (int c = 0; c < jpeg->num_components; c++) {
    const jpeg_component_info *component = &jpeg->comp_info[c];
    int is_larger = component->DCT_scaled_size != jpeg->min_DCT_scaled_size;
    if (is_larger && component->h_samp_factor * component->DCT_scaled_size != full) return 0;
  }
  return 1;
}

static cic_status jpeg_narrow(cic_decoder *base, uint32_t *x, uint32_t *width) {
  jpeg_decoder *decoder = (jpeg_decoder *)base;
  j_decompress_ptr jpeg = &decoder->jpeg;
  if (setjmp(decoder->escape)) return base->status;
  JDIMENSION margin = (JDIMENSION)(MARGIN_MCUS * jpeg->max_h_samp_factor * jpeg->min_DCT_scaled_size);
  JDIMENSION full = jpeg->output_width;
  JDIMENSION first = *x > margin ? *x - margin : 0;
  JDIMENSION last = full - *x - *width > margin ? *x + *width + margin : full;
  if (!can_narrow(jpeg)) {
    first = 0;
    last = full;
  }
  JDIMENSION count = last - first;
  if (count < full) jpeg_crop_scanline(jpeg, &first, &count);
  *x = first;
  *width = count;
  return CIC_OK;
}

/* a * b / 255, rounded. */
static unsigned multiply_255(unsigned a, unsigned b) {
  unsigned product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/* JPEG files hold CMYK inverted, as Adobe began and Pillow takes for granted. */
static void rgb_from_inverted_cmyk(const uint8_t *cmyk, size_t width, uint8_t *rgb) {
  for (size_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
    unsigned white = cmyk[3];
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(white - multiply_255(255u - cmyk[c], white));
  }
}

static cic_status jpeg_rows(cic_decoder *base, uint8_t *rows, size_t stride, size_t count) {
  jpeg_decoder *decoder = (jpeg_decoder *)base;
  j_decompress_ptr jpeg = &decoder->jpeg;
  if (setjmp(decoder->escape)) return base->status;
  JDIMENSION end = jpeg->output_scanline + (JDIMENSION)count;
  while (jpeg->output_scanline < end) {
    JSAMPROW row = decoder->cmyk != NULL ? decoder->cmyk : rows;
    if (jpeg_read_scanlines(jpeg, &row, 1) != 1) return CIC_TRUNCATED;
    if (decoder->cmyk != NULL) rgb_from_inverted_cmyk(decoder->cmyk, jpeg->output_width, rows);
    rows += stride;
  }
  return CIC_OK;
}

static const cic_operations jpeg_operations = {jpeg_close, jpeg_header, jpeg_start, jpeg_narrow, jpeg_rows};

cic_decoder *cic_jpeg_open(const uint8_t *data, size_t size) {
  jpeg_decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder == NULL) return NULL;
  j_decompress_ptr jpeg = &decoder->jpeg;
  decoder->base.operations = &jpeg_operations;
  jpeg->err = jpeg_std_error(&decoder->errors);
  decoder->errors.error_exit = error_exit;
  decoder->errors.emit_message = ignore_message;
  decoder->errors.output_message = print_nothing;
  jpeg->client_data = decoder; /* jpeg_create_decompress keeps err and client_data */
  if (setjmp(decoder->escape)) {
    jpeg_close(&decoder->base);
    return NULL;
  }
  jpeg_create_decompress(jpeg);
  decoder->source.next_input_byte = data;
  decoder->source.bytes_in_buffer = size;
  decoder->source.init_source = keep_source;
  decoder->source.fill_input_buffer = fill_input_buffer;
  decoder->source.skip_input_data = skip_input_data;
  decoder->source.resync_to_restart = jpeg_resync_to_restart;
  decoder->source.term_source = keep_source;
  jpeg->src = &decoder->source;
  decoder->progress.progress_monitor = bound_scans;
  jpeg->progress = &decoder->progress;
  return &decoder->base;
}
