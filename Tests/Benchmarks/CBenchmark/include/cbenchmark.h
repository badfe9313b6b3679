/* What the benchmark needs and neither Swift nor the engine has: the CPU's own limit, and a JPEG file. */
#ifndef CBENCHMARK_H
#define CBENCHMARK_H

#include <stddef.h>
#include <stdint.h>

/* The instruction that cb_int8_peak() counts for an instruction set of the engine; "" if it knows none. Static
 * storage. */
const char *cb_int8_instruction(const char *isa);

/* 8-bit multiply-accumulates a second that `threads` threads (1 to 64) reach together for some `seconds`, on
 * registers alone: no kernel of that instruction set, which the engine runs on this CPU, can be faster. 0 if no
 * instruction of it is known here, or on failure. */
double cb_int8_peak(const char *isa, unsigned threads, double seconds);

/* Draws a picture of gradients, noise and edges as a JPEG of quality 90, subsampled 4:2:0. The file is to be
 * freed with free(); `size` receives its bytes. NULL: out of memory. */
uint8_t *cb_draw_jpeg(unsigned width, unsigned height, size_t *size);

#endif
