/* arms.h alone, as a strict compiler sees it: C99 and C++11. */
#include <arms.h>

int main(void) {
  arms_decision decision;
  arms_query query;
  decision.struct_size = sizeof decision;
  query.struct_size = sizeof query;
  query.text_length = ARMS_NUL_TERMINATED;
  return decision.struct_size == 0 || query.struct_size == 0 || ARMS_ERROR_IO == ARMS_OK;
}
