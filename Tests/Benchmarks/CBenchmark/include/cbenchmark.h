/* What the benchmark needs and neither Swift nor the engine has: the CPU's own limit, and a JPEG file. */
#ifndef CBENCHMARK_H
#define CBENCHMARK_H

#include <stddef.h>
#include <stdint.h>

/* The instruction that cb_int8_peak() counts on this CPU; "" if it knows none. Static storage. */
const char *cb_int8_instruction(void);

/* 8-bit multiply-accumulates a second that `threads` threads (1 to 64) reach together for some `seconds`, on
 * registers alone: no kernel can be faster. 0 if the CPU has no instruction known here, or on failure. */
double cb_int8_peak(unsigned threads, double seconds);

/* Draws a picture of gradients, noise and edges as a JPEG of quality 90, subsampled 4:2:0. The file is to be
 * freed with free(); `size` receives its bytes. NULL: out of memory. */
uint8_t *cb_draw_jpeg(unsigned width, unsigned height, size_t *size);

#endif
