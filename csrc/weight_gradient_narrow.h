// Weight gradient for few input channels, and 2 × 2 windows or none: the first layer of most networks.
//
// A patch is shorter than a vector here, so the vector runs over the filters instead: all of them
// see the same window, and each takes the value under its own winner. Per tap there are four
// candidates; two blends with masks, which are the winner's two bits, choose among them. Without a pooling
// there is one.

inline bool narrow(const Shape& s) { return s.c <= 4 && (two_by_two(s) || unpooled(s)) && s.sh == 1 && s.sw == 1; }

// ROWS filter rows from `dy` on and T taps from `tap` on, for LANES filters from k on.
template <bool POOLED, int ROWS, int T>
void narrow_pass(const Shape& s, int64_t rows, const Strip& strip, const float* gradient_qk, const uint8_t* winner_qk,
                 int64_t k, int64_t dy, int64_t tap, float* partial_kfgc) {
  Floats sum[ROWS][T] = {};
  for (int64_t q = 0; q < rows; ++q)
    for (int64_t r = 0; r < s.qw; ++r) {
      const int64_t at = (q * s.qw + r) * s.k + k;
      const Ints winner = load_bytes_part(winner_qk + at, s.k - k);
      const Floats all = load_part(gradient_qk + at, s.k - k);
      const Floats gradient = winner == DEAD - Ints{} ? Floats{} : all;
      if (!POOLED) {
        const float* cells = strip.cells + (q + dy) * strip.line + r * s.c + tap;
#pragma GCC unroll 4
        for (int row = 0; row < ROWS; ++row, cells += strip.line)
#pragma GCC unroll 16
          for (int t = 0; t < T; ++t) sum[row][t] += gradient * splat(cells[t]);
        continue;
      }
      const Ints right = (winner & 1) != 0, lower = (winner & 2) != 0;
      const float* cells = strip.cells + (2 * q + dy) * strip.line + 2 * r * s.c + tap;
      Floats above[T];
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) above[t] = right ? splat(cells[t + s.c]) : splat(cells[t]);
#pragma GCC unroll 4
      for (int row = 0; row < ROWS; ++row) {
        cells += strip.line;
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) {
          const Floats below = right ? splat(cells[t + s.c]) : splat(cells[t]);
          sum[row][t] += gradient * (lower ? below : above[t]);
          above[t] = below;
        }
      }
    }
  const int64_t line = patch_line(s);
  for (int row = 0; row < ROWS; ++row)
    for (int t = 0; t < T; ++t)
      for (int64_t lane = 0; lane < std::min<int64_t>(LANES, s.k - k); ++lane)
        partial_kfgc[((k + lane) * s.fh + dy + row) * line + tap + t] += sum[row][t][lane];
}

using NarrowPass = void (*)(const Shape&, int64_t, const Strip&, const float*, const uint8_t*, int64_t, int64_t,
                            int64_t, float*);

constexpr int MOST_TAPS = REGISTERS >= 32 ? 9 : 5;

template <bool POOLED, int... I>
constexpr NarrowPass narrow_pass_of(int taps, std::integer_sequence<int, I...>) {
  constexpr NarrowPass passes[] = {narrow_pass<POOLED, 1, I + 1>...};
  return passes[taps - 1];
}

template <bool POOLED>
void narrow_sums(const Shape& s, int64_t rows, const Strip& strip, const float* gradient_qk, const uint8_t* winner_qk,
                 float* partial_kfgc, float* bias_k) {
  const int64_t taps = s.fw * s.c;
  for (int64_t k = 0; k < s.k; k += LANES) {
    Floats bias = {};
    for (int64_t q = 0; q < rows * s.qw; ++q) {
      const Ints dead = load_bytes_part(winner_qk + q * s.k + k, s.k - k) == DEAD - Ints{};
      bias += dead ? Floats{} : load_part(gradient_qk + q * s.k + k, s.k - k);
    }
    store_part(bias_k + k, load_part(bias_k + k, s.k - k) + bias, s.k - k);
    if (s.fh == 3 && taps == 3) {
      narrow_pass<POOLED, 3, 3>(s, rows, strip, gradient_qk, winner_qk, k, 0, 0, partial_kfgc);
      continue;
    }
    for (int64_t dy = 0; dy < s.fh; ++dy)
      for (int64_t tap = 0; tap < taps; tap += MOST_TAPS) {
        const int now = static_cast<int>(std::min<int64_t>(MOST_TAPS, taps - tap));
        narrow_pass_of<POOLED>(now, std::make_integer_sequence<int, MOST_TAPS>{})(s, rows, strip, gradient_qk, winner_qk, k,
                                                                           dy, tap, partial_kfgc);
      }
  }
}
