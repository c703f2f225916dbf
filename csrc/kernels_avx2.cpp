#define VECTOR_BYTES 32
#define REGISTERS 16
#define TABLE AVX2
#define NAME "avx2"
#include "kernels.h"
