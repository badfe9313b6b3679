#include "resample.h"

void ck_resample_columns_scalar(const ck_resample_columns *args) {
  const size_t written = args->channels < 3 ? args->channels : 3, width = args->groups * ck_resample_group;
  for (size_t r = 0; r < args->row_count; r++)
    for (size_t x = 0; x < args->columns; x++) {
      const uint8_t *bytes = args->rows + r * args->stride + args->offsets[x];
      const int32_t *coefficients = args->coefficients + x * width;
      int32_t sums[4] = {resample_half, resample_half, resample_half, resample_half};
      for (size_t j = 0; j < width; j++) sums[j % args->channels] += bytes[j] * coefficients[j];
      for (size_t c = 0; c < written; c++) args->out[r * args->out_stride + x * written + c] = resample_clip8(sums[c]);
    }
}

void ck_resample_row_scalar(const uint8_t *rows, size_t stride, const int32_t *coefficients, size_t taps, size_t width,
                            uint8_t *out) {
  for (size_t i = 0; i < width; i++) {
    int32_t sum = resample_half;
    for (size_t t = 0; t < taps; t++) sum += rows[t * stride + i] * coefficients[t];
    out[i] = resample_clip8(sum);
  }
}
