// The stage operator's kernels, without torch: shapes, raw pointers, one table of functions per instruction set.
//
// All arrays are float32 and height × width × channels (NHWC); array names end in their axes.
// A stage is convolution (filters of fh × fw, stride sh × sw, zero margins) → ReLU → max pooling
// (windows of ph × pw, stride psh × psw). A stage without pooling has a window of 1 × 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convstage {

// A pooled cell's winner is its place in the window, row by row; DEAD when nothing is above zero.
constexpr uint8_t DEAD = 255;

struct Shape {
  int64_t n, h, w, c;          // input
  int64_t k, fh, fw, sh, sw;   // filters
  int64_t top, left;           // zeros before the first row and column
  int64_t oh, ow;              // map after the convolution
  int64_t ph, pw, psh, psw;    // pooling window
  int64_t qh, qw;              // map after the pooling

  // Input rows (columns) that `count` rows (columns) of the map after the convolution read.
  int64_t rows_read(int64_t count) const { return (count - 1) * sh + fh; }
  int64_t columns_read(int64_t count) const { return (count - 1) * sw + fw; }
};

// Work is cut into units that do not depend on the number of threads. A kernel does the units
// begin..end, and gets scratch memory of its own of the size that the table asks for.

// One algorithm for the forward pass or the input gradient. It may not be for every shape, and `run`
// says whether it was for these numbers; where not, the next one of the table does all the work.
template <class Run>
struct Algorithm {
  bool (*applies)(const Shape&);
  size_t (*packed_floats)(const Shape&);
  void (*pack)(const Shape&, const float* w_kfgc, float* packed);
  int64_t (*units)(const Shape&);
  size_t (*scratch)(const Shape&);
  Run run;
};

// `winner_nqk` may be null.
using Forward = Algorithm<bool (*)(const Shape&, int64_t begin, int64_t end, const float* x_nhwc, const float* packed,
                                   const float* bias_k, float* y_nqk, uint8_t* winner_nqk, float* scratch)>;

// `packed` are the filters turned round, with input and output channels exchanged, packed for a shape so exchanged.
using InputGradient =
    Algorithm<bool (*)(const Shape&, int64_t begin, int64_t end, const float* gradient_nqk, const uint8_t* winner_nqk,
                       const float* packed, float* dx_nhwc, float* scratch)>;

// A fully connected layer: rows (n, c), filters (k, c) packed as those of size 1 × 1 by the last of `forward`.
struct Dense {
  int64_t (*units)(const Shape&);
  size_t (*scratch)(const Shape&);
  void (*run)(const Shape&, int64_t begin, int64_t end, const float* x_nc, const float* packed, const float* bias_k,
              bool relu, float* y_nk, float* scratch);
};

struct Kernels {
  const char* name;
  Forward forward[4];               // tried in this order; the last one is for every shape
  InputGradient input_gradient[2];  // the last one is for stride 1

  // Units: chunks of pooled rows; each has partial sums (k, fh, weight_line ≥ fw × c) and bias sums (k) of its own.
  int64_t (*weight_units)(const Shape&);
  int64_t (*weight_line)(const Shape&);  // floats from one filter row of the sums to the next
  size_t (*weight_scratch)(const Shape&);
  void (*weight_gradient)(const Shape&, int64_t begin, int64_t end, const float* x_nhwc, const float* gradient_nqk,
                          const uint8_t* winner_nqk, float* partial_ukfgc, float* bias_uk, float* scratch);

  // Units: rows of the map before the pooling, n × oh.
  void (*expand)(const Shape&, int64_t begin, int64_t end, const float* gradient_nqk, const uint8_t* winner_nqk,
                 float* dense_nhwk);

  Dense dense;
};

extern const Kernels SCALAR;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels AVX2;
extern const Kernels AVX512;
#endif

}  // namespace convstage
