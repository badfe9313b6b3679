/* How libFuzzer changes an input. Half of the time as it pleases; a quarter in a window that keeps its length, so that
 * the lengths and offsets that stand before it stay true, which hardly any other change of a binary file leaves them;
 * a quarter in a place that looks like such a length, which becomes a number that is wrong in a way that matters. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* libFuzzer's own changes. Absent where inputs are only replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

static size_t change_window(uint8_t *data, size_t size, unsigned int seed) {
  size_t start = (seed >> 5) % size;
  size_t width = (size_t)1 << (seed >> 2) % 8;
  if (width > size - start) width = size - start;
  uint8_t window[128];
  memcpy(window, data + start, width);
  size_t changed = LLVMFuzzerMutate(window, width, width);
  memcpy(data + start, window, changed);
  return size;
}

/* A number in place of `value`, which stands `place` bytes from the beginning. */
static uint64_t wrong(uint64_t value, size_t place, size_t size, unsigned int choice) {
  switch (choice % 12) {
  case 0: return 0;
  case 1: return value - 1;
  case 2: return value + 1;
  case 3: return value * 2;
  case 4: return size;
  case 5: return size - place;
  case 6: return UINT32_MAX;
  case 7: return (uint64_t)1 << 32 | value;
  case 8: return INT64_MAX;
  case 9: return (uint64_t)1 << 61 | value; /* wraps when it is multiplied by the size of an element */
  case 10: return UINT64_MAX - value;       /* wraps when a place is added */
  default: return UINT64_MAX - place - choice % 64;
  }
}

/* Looks from a place on for eight bytes that can be a length, a count or an offset, little-endian as in a model file. */
static size_t change_number(uint8_t *data, size_t size, unsigned int seed) {
  if (size < 8) return LLVMFuzzerMutate(data, size, size);
  size_t places = size - 7, start = (seed >> 10) % places;
  for (size_t i = 0; i < places; i++) {
    size_t place = (start + i) % places;
    uint64_t value;
    memcpy(&value, data + place, sizeof value);
    if (value == 0 || value > size) continue;
    value = wrong(value, place, size, seed >> 2);
    memcpy(data + place, &value, sizeof value);
    return size;
  }
  return LLVMFuzzerMutate(data, size, size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed) {
  if (LLVMFuzzerMutate == NULL) return size;
  switch (size == 0 ? 0 : seed % 4) {
  case 1: return change_window(data, size, seed);
  case 3: return change_number(data, size, seed);
  default: return LLVMFuzzerMutate(data, size, capacity);
  }
}
