#define VECTOR_BYTES 64
#define REGISTERS 32
#define TABLE AVX512
#define NAME "avx512"
#include "kernels.h"
