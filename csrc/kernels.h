// The stage's algorithms, one text for all instruction sets. A translation unit defines
//   VECTOR_BYTES   width of a vector register
//   REGISTERS      how many there are
//   TABLE          name of the table of kernels that it fills
// and includes this file; the compiler's flags do the rest.

#include <algorithm>
#include <cstring>
#include <utility>

#include "stage.h"

namespace convstage {
namespace {

#include "vectors.h"

// Accumulators of a tile: all registers but those for weights and the input value.
constexpr int TILE = REGISTERS >= 32 ? 24 : 12;
// Vectors of filters that a tile computes side by side.
constexpr int WIDE = REGISTERS >= 32 ? 2 : 1;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

#include "forward.h"
#include "input_gradient.h"
#include "weight_gradient.h"

}  // namespace

extern const Kernels TABLE;
const Kernels TABLE = {NAME,         packed_floats,  pack,            forward_scratch, forward,       weight_units,
                       patch_line,   weight_scratch, weight_gradient, input_scratch,   input_gradient};

}  // namespace convstage
