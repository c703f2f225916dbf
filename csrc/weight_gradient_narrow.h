// Weight gradient for few input channels, and 2 × 2 windows or none: the first layer of most networks.
//
// A patch is shorter than a vector here, so the vector runs over the filters instead: all of them see
// the same window. Each of its cells takes its turn, with the gradients of those filters whose winner it is.

inline bool narrow(const Shape& s) { return s.c <= 4 && (two_by_two(s) || unpooled(s)) && s.sh == 1 && s.sw == 1; }

// A block of windows, and LANES filters from k on.
struct NarrowBlock {
  const Shape& s;
  int64_t rows;  // of windows
  Strip strip;
  const float* gradient_qk;
  const uint8_t* winner_qk;
  int64_t k;
  float* partial_kfgc;
  float* bias_k;

  int64_t filters() const { return std::min<int64_t>(LANES, s.k - k); }
};

// Adds the sums of ROWS filter rows from `dy` on and T taps from `tap` on to those of the unit.
// Inlined: sums whose address leaves a function are kept in memory, through all of its loop.
template <int ROWS, int T>
INLINE void add_narrow(const NarrowBlock& b, int64_t dy, int64_t tap, const Floats (&sum)[ROWS][T]) {
  const int64_t line = patch_line(b.s);
#pragma GCC unroll 3
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 9
    for (int t = 0; t < T; ++t) {
      float lanes[LANES];  // to read single lanes of a register, it must lie in memory; better here than in the loop
      store(lanes, sum[row][t]);
      for (int64_t lane = 0; lane < b.filters(); ++lane)
        b.partial_kfgc[((b.k + lane) * b.s.fh + dy + row) * line + tap + t] += lanes[lane];
    }
}

INLINE void add_bias(const NarrowBlock& b, Floats sum) {
  store_part(b.bias_k + b.k, load_part(b.bias_k + b.k, b.filters()) + sum, b.filters());
}

// Gradients are asked for so many windows ahead of time.
constexpr int64_t WINDOWS_AHEAD = 16;

// CELLS of a window: 4, or 1 where there is no pooling.
template <int CELLS, int ROWS, int T>
void narrow_pass(const NarrowBlock& b, int64_t dy, int64_t tap) {
  constexpr int SIDE = CELLS == 4 ? 2 : 1;
  const Shape& s = b.s;
  const int64_t line = b.strip.line, filters = s.k - b.k;
  Floats sum[ROWS][T] = {}, bias = {};
  for (int64_t q = 0; q < b.rows; ++q) {
    Floats row_bias = {};
    const float* window = b.strip.cells + (q * SIDE + dy) * line + tap;
    const float* gradient = b.gradient_qk + q * s.qw * s.k + b.k;
    const uint8_t* winners = b.winner_qk + q * s.qw * s.k + b.k;
    for (int64_t r = 0; r < s.qw; ++r, window += SIDE * s.c, gradient += s.k, winners += s.k) {
      __builtin_prefetch(gradient + WINDOWS_AHEAD * s.k);
      const Ints winner = load_bytes_part(winners, filters);
      const Floats all = load_part(gradient, filters);
      row_bias += winner == DEAD - Ints{} ? Floats{} : all;
#pragma GCC unroll 4
      for (int i = 0; i < CELLS; ++i) {
        const Floats own = winner == i - Ints{} ? all : Floats{};
        const float* cells = window + i / 2 * line + i % 2 * s.c;
#pragma GCC unroll 3
        for (int row = 0; row < ROWS; ++row, cells += line)
#pragma GCC unroll 9
          for (int t = 0; t < T; ++t) sum[row][t] += own * splat(cells[t]);
      }
    }
    bias += row_bias;
  }
  add_narrow<ROWS, T>(b, dy, tap, sum);
  if (dy == 0 && tap == 0) add_bias(b, bias);
}

#if VECTOR_BYTES == 64
// One channel, 3 × 3 filters, 2 × 2 windows: the 4 × 4 cells that a window depends on are one register, and each
// filter takes its winner's value out of it, tap by tap.
void permuted_pass(const NarrowBlock& b) {
  const Shape& s = b.s;
  const int64_t line = b.strip.line, filters = s.k - b.k;
  Floats sum[3][3] = {}, bias = {};
  for (int64_t q = 0; q < b.rows; ++q) {
    Floats row_bias = {};
    const float* window = b.strip.cells + q * 2 * line;
    const float* gradient = b.gradient_qk + q * s.qw * s.k + b.k;
    const uint8_t* winners = b.winner_qk + q * s.qw * s.k + b.k;
    for (int64_t r = 0; r < s.qw; ++r, window += 2, gradient += s.k, winners += s.k) {
      __m512 patch = _mm512_castps128_ps512(_mm_loadu_ps(window));
      patch = _mm512_insertf32x4(patch, _mm_loadu_ps(window + line), 1);
      patch = _mm512_insertf32x4(patch, _mm_loadu_ps(window + 2 * line), 2);
      patch = _mm512_insertf32x4(patch, _mm_loadu_ps(window + 3 * line), 3);
      __builtin_prefetch(gradient + WINDOWS_AHEAD * s.k);
      const Ints winner = load_bytes_part(winners, filters);
      const Floats own = winner == DEAD - Ints{} ? Floats{} : load_part(gradient, filters);
      row_bias += own;
      const Ints place = winner + (winner & 2);  // 0, 1, 4, 5
#pragma GCC unroll 3
      for (int row = 0; row < 3; ++row)
#pragma GCC unroll 3
        for (int t = 0; t < 3; ++t)
          sum[row][t] += own * reinterpret_cast<Floats>(_mm512_permutexvar_ps(
                                   reinterpret_cast<__m512i>(place + (row * 4 + t)), patch));
    }
    bias += row_bias;
  }
  add_narrow<3, 3>(b, 0, 0, sum);
  add_bias(b, bias);
}
#endif

using NarrowPass = void (*)(const NarrowBlock&, int64_t, int64_t);

constexpr int MOST_TAPS = 9;

template <int CELLS, int... I>
constexpr NarrowPass narrow_pass_of(int taps, std::integer_sequence<int, I...>) {
  constexpr NarrowPass passes[] = {narrow_pass<CELLS, 1, I + 1>...};
  return passes[taps - 1];
}

template <int CELLS>
void narrow_sums(const NarrowBlock& b) {
  const int64_t taps = b.s.fw * b.s.c;
  if (b.s.fh == 3 && taps == 3) {
#if VECTOR_BYTES == 64
    if (CELLS == 4 && b.s.c == 1) return permuted_pass(b);  // 3 × 1 filters of three channels have three taps, too
#endif
    return narrow_pass<CELLS, 3, 3>(b, 0, 0);
  }
  if (REGISTERS >= 32 && b.s.fh == 3 && taps == 9) return narrow_pass<CELLS, 3, 9>(b, 0, 0);
  for (int64_t dy = 0; dy < b.s.fh; ++dy)
    for (int64_t tap = 0; tap < taps; tap += MOST_TAPS) {
      const int now = static_cast<int>(std::min<int64_t>(MOST_TAPS, taps - tap));
      narrow_pass_of<CELLS>(now, std::make_integer_sequence<int, MOST_TAPS>{})(b, dy, tap);
    }
}
