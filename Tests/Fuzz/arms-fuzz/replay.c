/* Gives files to a fuzz target, one after the other. Where libFuzzer is linked in, its own main() takes the place
 * of this one. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs the target on a file. The memory is exactly as large as the file, so that a checker of memory sees a step
 * beyond its end. */
static int replay(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) return -1;
  long size = ftell(file);
  rewind(file);
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  int status = size >= 0 && data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size ? 0 : -1;
  fclose(file);
  if (status == 0) LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
  return status;
}

__attribute__((weak)) int main(int argc, char **argv) {
  LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) {
    if (replay(argv[i]) != 0) {
      fprintf(stderr, "arms-fuzz: '%s' cannot be read\n", argv[i]);
      return 1;
    }
  }
  printf("%d inputs replayed\n", argc - 1);
  return 0;
}
