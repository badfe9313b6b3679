/* A program of somebody who installed the library. */
#include <arms.h>
#include <stdio.h>

int main(void) {
  puts(arms_version());
  return arms_abi_version() < ARMS_ABI_VERSION;
}
