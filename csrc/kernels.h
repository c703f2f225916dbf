// The stage's algorithms, one text for all instruction sets. A translation unit defines
//   VECTOR_BYTES   width of a vector register
//   REGISTERS      how many there are
//   TABLE          name of the table of kernels that it fills
// and includes this file; the compiler's flags do the rest.

#include <algorithm>
#include <cstring>
#include <utility>

#if VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

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
#include "dense.h"
#include "input_gradient.h"
#include "weight_gradient.h"
#include "winograd.h"
#include "winograd_stage.h"

}  // namespace

extern const Kernels TABLE;
const Kernels TABLE = {
    NAME,
    {forward_by<Pooled>(pooled_applies), forward_by<Plain>(plain_applies), forward_by<Small>(winograd_shape),
     {always, packed_floats, pack, forward_units, forward_scratch, forward}},
    {{winograd_shape, Small::packed_floats, Small::pack, InputGradientBy<Small>::units,
      InputGradientBy<Small>::scratch, InputGradientBy<Small>::run},
     {stride_one, packed_floats, pack, input_units, input_scratch, input_gradient}},
    weight_units,
    patch_line,
    weight_scratch,
    weight_gradient,
    expand,
    {dense_units, dense_scratch, dense},
};

}  // namespace convstage
