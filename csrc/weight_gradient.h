// Weight gradient.
//
// Only the winner of a window has a gradient, and a dead window has none. Per block of windows every
// filter gets the list of its winners: the gradient, and where in the strip its patch begins. Then a
// filter's sums stay in registers while its list goes by: per winner one broadcast, and one
// multiply-add per vector of the patch. No branch depends on the data.

struct Entry {
  float gradient;
  int32_t place;
};

int64_t patch_line(const Shape& s) { return round_up(s.fw * s.c, LANES); }

// Pooled rows of a block: enough windows that a list is worth its sums' way to memory and back.
inline int64_t block_rows(const Shape& s) { return std::clamp<int64_t>((95 + s.qw) / s.qw, 1, s.qh); }

inline int64_t blocks_per_image(const Shape& s) { return (s.qh + block_rows(s) - 1) / block_rows(s); }

int64_t weight_units(const Shape& s) {
  const int64_t most = std::max<int64_t>(2, (int64_t{4} << 20) / (s.k * s.fh * patch_line(s)));
  return std::min({s.n * blocks_per_image(s), most, int64_t{64}});
}

inline int64_t block_convolved_rows(const Shape& s) { return (block_rows(s) - 1) * s.psh + s.ph; }

size_t weight_scratch(const Shape& s) {
  const int64_t strip = s.rows_read(block_convolved_rows(s)) * s.columns_read(convolved_columns(s)) * s.c;
  const int64_t lists = s.k * block_rows(s) * s.qw * 2;
  return round_up(strip + patch_line(s), LANES) + lists + 2 * s.k + s.k;
}

template <int ROWS, int V>
void winners_pass(const Entry* list, int64_t count, const float* strip, int64_t line, float* sums, int64_t sums_line) {
  // A multiply-add takes four cycles: with few sums, several winners at a time.
  constexpr int SETS = ROWS * V >= 8 ? 1 : ROWS * V >= 4 ? 2 : 4;
  Floats sum[SETS][ROWS][V] = {};
  int64_t i = 0;
  for (; i + SETS <= count; i += SETS)
#pragma GCC unroll 4
    for (int set = 0; set < SETS; ++set) {
      const Floats gradient = splat(list[i + set].gradient);
      const float* patch = strip + list[i + set].place;
#pragma GCC unroll 4
      for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[set][row][v] += gradient * load(patch + row * line + v * LANES);
    }
  for (; i < count; ++i) {
    const Floats gradient = splat(list[i].gradient);
    const float* patch = strip + list[i].place;
#pragma GCC unroll 4
    for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[0][row][v] += gradient * load(patch + row * line + v * LANES);
  }
#pragma GCC unroll 4
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      Floats total = sum[0][row][v];
#pragma GCC unroll 4
      for (int set = 1; set < SETS; ++set) total += sum[set][row][v];
      float* to = sums + row * sums_line + v * LANES;
      store(to, load(to) + total);
    }
}

constexpr int MOST_VECTORS = REGISTERS >= 32 ? 8 : 4;
using WinnersPass = void (*)(const Entry*, int64_t, const float*, int64_t, float*, int64_t);

template <int ROWS, int... I>
constexpr WinnersPass winners_pass_of(int vectors, std::integer_sequence<int, I...>) {
  constexpr WinnersPass passes[] = {winners_pass<ROWS, I + 1>...};
  return passes[vectors - 1];
}

#include "weight_gradient_narrow.h"

// All of a filter's sums, a few rows and vectors at a time.
void winners_sums(const Shape& s, const Entry* list, int64_t count, const Strip& strip, float* sums) {
  const int64_t vectors = patch_line(s) / LANES;
  const int64_t passes = (vectors + MOST_VECTORS - 1) / MOST_VECTORS;
  const int64_t size = (vectors + passes - 1) / passes;
  constexpr auto sizes = std::make_integer_sequence<int, MOST_VECTORS>{};
  for (int64_t dy = 0; dy < s.fh; dy += 3)
    for (int64_t v = 0; v < vectors; v += size) {
      const int now = static_cast<int>(std::min(size, vectors - v));
      const int64_t rows = std::min<int64_t>(3, s.fh - dy);
      const WinnersPass pass = rows == 3   ? winners_pass_of<3>(now, sizes)
                               : rows == 2 ? winners_pass_of<2>(now, sizes)
                                           : winners_pass_of<1>(now, sizes);
      pass(list, count, strip.cells + dy * strip.line + v * LANES, strip.line,
           sums + dy * patch_line(s) + v * LANES, patch_line(s));
    }
}

// Lists the winners of a block of windows by filter, and adds their gradients to the biases' sums, by way of a sum
// for each row, `row_k`: shorter sums round less.
void list_winners(const Shape& s, int64_t rows, const float* gradient_qk, const uint8_t* winner_qk, int64_t line,
                  Entry* lists, int64_t capacity, int64_t* counts, float* bias_k, float* row_k) {
  int32_t place_of[256] = {};
  for (int64_t a = 0; a < s.ph; ++a)
    for (int64_t b = 0; b < s.pw; ++b)
      place_of[a * s.pw + b] = static_cast<int32_t>(a * s.sh * line + b * s.sw * s.c);
  std::fill(counts, counts + s.k, 0);
  for (int64_t q = 0; q < rows; ++q) {
    std::fill(row_k, row_k + s.k, 0.0f);
    for (int64_t r = 0; r < s.qw; ++r, gradient_qk += s.k, winner_qk += s.k) {
      const auto window = static_cast<int32_t>(q * s.psh * s.sh * line + r * s.psw * s.sw * s.c);
      for (int64_t k = 0; k < s.k; ++k) {
        const uint8_t winner = winner_qk[k];
        const bool alive = winner != DEAD;
        lists[k * capacity + counts[k]] = {gradient_qk[k], window + place_of[winner]};
        counts[k] += alive;
        row_k[k] += alive ? gradient_qk[k] : 0.0f;
      }
    }
    for (int64_t k = 0; k < s.k; ++k) bias_k[k] += row_k[k];
  }
}

void weight_gradient(const Shape& s, int64_t begin, int64_t end, const float* x_nhwc, const float* gradient_nqk,
                     const uint8_t* winner_nqk, float* partial_ukfgc, float* bias_uk, float* scratch) {
  const int64_t units = weight_units(s), blocks = s.n * blocks_per_image(s), capacity = block_rows(s) * s.qw;
  const int64_t columns = s.columns_read(convolved_columns(s)), sums = s.fh * patch_line(s);
  const int64_t strip_floats = s.rows_read(block_convolved_rows(s)) * columns * s.c + patch_line(s);
  auto* lists = reinterpret_cast<Entry*>(scratch + round_up(strip_floats, LANES));
  auto* counts = reinterpret_cast<int64_t*>(lists + s.k * capacity);
  auto* row = reinterpret_cast<float*>(counts + s.k);
  std::fill(scratch, scratch + round_up(strip_floats, LANES), 0.0f);
  for (int64_t unit = begin; unit < end; ++unit) {
    float* partial = partial_ukfgc + unit * s.k * sums;
    float* bias = bias_uk + unit * s.k;
    std::fill(partial, partial + s.k * sums, 0.0f);
    std::fill(bias, bias + s.k, 0.0f);
    for (int64_t block = unit * blocks / units; block < (unit + 1) * blocks / units; ++block) {
      const int64_t n = block / blocks_per_image(s), q = block % blocks_per_image(s) * block_rows(s);
      const int64_t rows = std::min(block_rows(s), s.qh - q);
      const Strip strip = copy_strip(x_nhwc + n * s.h * s.w * s.c, s.h, s.w, s.c, q * s.psh * s.sh - s.top, -s.left,
                                     s.rows_read((rows - 1) * s.psh + s.ph), columns, scratch);
      const int64_t at = (n * s.qh + q) * s.qw * s.k;
      if (narrow(s)) {
        for (int64_t k = 0; k < s.k; k += LANES) {
          const NarrowBlock windows{s, rows, strip, gradient_nqk + at, winner_nqk + at, k, partial, bias};
          (unpooled(s) ? narrow_sums<1> : narrow_sums<4>)(windows);
        }
        continue;
      }
      list_winners(s, rows, gradient_nqk + at, winner_nqk + at, strip.line, lists, capacity, counts, bias,
                   row);
      for (int64_t k = 0; k < s.k; ++k) winners_sums(s, lists + k * capacity, counts[k], strip, partial + k * sums);
    }
  }
}
