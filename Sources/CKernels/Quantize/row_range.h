/* From the range of a row's values to the scale and zero point of its u8 codes. */
#ifndef CK_ROW_RANGE_H
#define CK_ROW_RANGE_H

#include <float.h>
#include <math.h>
#include <stdint.h>

typedef struct row_code {
  float scale;
  float inverse; /* 0 makes every code the zero point */
  float zero;    /* an integer in 0...255 */
} row_code;

/* least <= 0 <= most. A range too small for a normal scale is a row of zeros. If the row holds NaN or
 * infinity the codes mean nothing, but every value here is still one that the caller can convert; the caller makes the
 * scale NaN. */
static inline row_code row_code_of(float least, float most) {
  float scale = (most - least) / 255;
  if (!(scale >= FLT_MIN)) return (row_code){1, 0, 0};
  float zero = __builtin_rintf(-least / scale);
  if (!(zero >= 0)) zero = 0;
  if (zero > 255) zero = 255;
  return (row_code){scale, 1 / scale, zero};
}

/* The code of one value; NaN becomes 0. */
static inline uint8_t code_of(float value, row_code code) {
  float rounded = __builtin_rintf(value * code.inverse) + code.zero;
  if (!(rounded > 0)) return 0;
  return (uint8_t)(rounded < 255 ? rounded : 255);
}

#endif
