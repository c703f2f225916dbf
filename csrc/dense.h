// Fully connected layers, for prediction: rows (n, c) times filters (k, c), plus bias, and ReLU or not.
//
// The filters are packed as the forward pass packs those of size 1 × 1. A unit is one block of filters for a
// group of rows; some taps at a time, so that their filters stay in cache while the rows go by.

constexpr int64_t DENSE_ROWS = 96, DENSE_TAPS = 1024;
// Torch's matrix product sums in shorter pieces than its convolution.
constexpr int64_t DENSE_TAPS_IN_A_ROW = 32;

inline int64_t row_groups(const Shape& s) { return (s.n + DENSE_ROWS - 1) / DENSE_ROWS; }

inline int64_t filter_blocks(const Shape& s) { return (s.k + WIDE * LANES - 1) / (WIDE * LANES); }

int64_t dense_units(const Shape& s) { return filter_blocks(s) * row_groups(s); }

size_t dense_scratch(const Shape&) { return DENSE_ROWS * WIDE * LANES; }

// Adds the sums over some taps, for ROWS rows.
template <int ROWS, int V>
void dense_tile(const Reading& from, const float* packed, float* sums) {
  Floats sum[1][ROWS][V] = {};
  accumulate<1, ROWS, V, 0, DENSE_TAPS_IN_A_ROW>(from, packed, sum);
#pragma GCC unroll 32
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* to = sums + (row * V + v) * LANES;
      store(to, load(to) + sum[0][row][v]);
    }
}

using DenseTile = void (*)(const Reading&, const float*, float*);

template <int V, int... I>
constexpr DenseTile dense_tile_of(int rows, std::integer_sequence<int, I...>) {
  constexpr DenseTile tiles[] = {dense_tile<I + 1, V>...};
  return tiles[rows - 1];
}

template <int V>
void dense_group(const Shape& s, const float* x_nc, int64_t rows, const float* packed, float* sums) {
  constexpr int MOST = TILE / V;
  std::fill(sums, sums + rows * V * LANES, 0.0f);
  for (int64_t tap = 0; tap < s.c; tap += DENSE_TAPS)
    for (int64_t row = 0; row < rows; row += MOST) {
      const int now = static_cast<int>(std::min<int64_t>(MOST, rows - row));
      const Reading from{x_nc + row * s.c + tap, 0, 0, s.c, 1, std::min(DENSE_TAPS, s.c - tap)};
      dense_tile_of<V>(now, std::make_integer_sequence<int, MOST>{})(from, packed + tap * V * LANES,
                                                                     sums + row * V * LANES);
    }
}

void dense(const Shape& s, int64_t begin, int64_t end, const float* x_nc, const float* packed, const float* bias_k,
           bool relu, float* y_nk, float* scratch) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t k = unit / row_groups(s) * WIDE * LANES, first = unit % row_groups(s) * DENSE_ROWS;
    const int64_t rows = std::min(DENSE_ROWS, s.n - first), vectors = block_vectors(s, k);
    (vectors == 1 ? dense_group<1> : dense_group<WIDE>)(s, x_nc + first * s.c, rows, packed + k * s.c, scratch);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t v = 0; v < vectors && k + v * LANES < s.k; ++v) {
        const int64_t at = k + v * LANES, count = s.k - at;
        Floats y = load(scratch + (row * vectors + v) * LANES);
        if (bias_k) y += load_part(bias_k + at, count);
        if (relu) y = y <= Floats{} ? Floats{} : y;
        store_part(y_nk + (first + row) * s.k + at, y, count);
      }
  }
}
