/* How libFuzzer changes an input: half of the time in a window that keeps its length, so that the lengths and
 * offsets that stand before it stay true, which hardly any other change of a binary file leaves them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* libFuzzer's own changes. Absent where inputs are only replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed) {
  if (LLVMFuzzerMutate == NULL) return size;
  if (seed % 2 == 0 || size == 0) return LLVMFuzzerMutate(data, size, capacity);
  size_t start = (seed >> 4) % size;
  size_t width = (size_t)1 << (seed >> 1) % 8;
  if (width > size - start) width = size - start;
  uint8_t window[128];
  memcpy(window, data + start, width);
  size_t changed = LLVMFuzzerMutate(window, width, width);
  memcpy(data + start, window, changed);
  return size;
}
