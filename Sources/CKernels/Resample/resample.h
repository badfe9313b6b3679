/* What both passes share on every instruction set: the end of a fixed-point sum. */
#ifndef CK_RESAMPLE_H
#define CK_RESAMPLE_H

#include "../Dispatch/kernels.h"

enum { resample_half = 1 << (ck_coefficient_bits - 1) };

static inline __attribute__((always_inline)) uint8_t resample_clip8(int32_t sum) {
  sum >>= ck_coefficient_bits;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

#endif
