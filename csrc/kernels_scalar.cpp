#define VECTOR_BYTES 16
#define REGISTERS 16
#define TABLE SCALAR
#define NAME "scalar"
#include "kernels.h"
