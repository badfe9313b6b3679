/* A picture as hard to code as a photograph: gradients, octaves of noise, hard edges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "cbenchmark.h"

#define QUALITY 90

/* A hash of a lattice point to 0 ... 1. */
static float lattice(uint32_t x, uint32_t y, uint32_t channel) {
  uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ channel * 0xC2B2AE3Du;
  h = (h ^ h >> 15) * 0x2C1B3C6Du;
  h = (h ^ h >> 12) * 0x297A2D39u;
  return (float)((h ^ h >> 15) >> 8) / 16777216.0f;
}

/* Noise that changes over `cell` pixels: the lattice, interpolated. */
static float noise(uint32_t x, uint32_t y, uint32_t cell, uint32_t channel) {
  uint32_t column = x / cell, row = y / cell;
  float u = (float)(x % cell) / (float)cell, v = (float)(y % cell) / (float)cell;
  float top = lattice(column, row, channel) * (1 - u) + lattice(column + 1, row, channel) * u;
  float bottom = lattice(column, row + 1, channel) * (1 - u) + lattice(column + 1, row + 1, channel) * u;
  return top * (1 - v) + bottom * v - 0.5f;
}

static void draw_row(uint8_t *row, uint32_t y, uint32_t width, uint32_t height) {
  for (uint32_t x = 0; x < width; x++) {
    float u = (float)x / (float)width, v = (float)y / (float)height;
    /* Every third cell of a coarse lattice is painted over: hard edges. */
    float paint = lattice(x / 200, y / 140, 9) < 0.3f ? 0.5f : 1.0f;
    for (uint32_t channel = 0; channel < 3; channel++) {
      float value = 0.5f + 0.3f * sinf(5 * u + (float)(channel + 1) * v) + 0.1f * noise(x, y, 16, channel) +
                    0.2f * noise(x, y, 64, channel) + 0.3f * noise(x, y, 256, channel) +
                    0.04f * (lattice(x, y, channel) - 0.5f);
      value *= 255 * paint;
      row[3 * x + channel] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

uint8_t *cb_draw_jpeg(unsigned width, unsigned height, size_t *size) {
  uint8_t *row = malloc(3 * (size_t)width);
  if (row == NULL) return NULL;
  /* An error of libjpeg ends the program: there is no input here that could be at fault. */
  struct jpeg_error_mgr errors;
  struct jpeg_compress_struct encoder;
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  uint8_t *file = NULL;
  unsigned long bytes = 0;
  jpeg_mem_dest(&encoder, &file, &bytes);
  encoder.image_width = width;
  encoder.image_height = height;
  encoder.input_components = 3;
  encoder.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, QUALITY, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < height) {
    draw_row(row, encoder.next_scanline, width, height);
    JSAMPROW rows[1] = {row};
    jpeg_write_scanlines(&encoder, rows, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  free(row);
  *size = bytes;
  return file;
}
