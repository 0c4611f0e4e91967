#include "include/bits_base.h"
#include <stdlib.h>
// placeholder
int32_t bits_pool_threads(void){return 1;}
