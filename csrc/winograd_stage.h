// The stage by Winograd's algorithm: what its tiles read and write, and when it applies.

// Cells this far along a row are asked for ahead of time: the processor does not see the pattern of several rows.
constexpr int64_t PREFETCHED = 16;

// Cells of a map as they are.
struct PlainCells {
  const float* x_nhwc;
  int64_t h, w, c;

  using Cell = const float*;
  INLINE Cell find(int64_t n, int64_t y, int64_t x, const float* zeros) const {
    const bool inside = y >= 0 && y < h && x >= 0 && x < w;
    return inside ? x_nhwc + ((n * h + y) * w + x) * c : zeros;
  }
  INLINE Floats read(Cell cell, int64_t channel, int64_t count) const {
    __builtin_prefetch(cell + channel + PREFETCHED * c);
    return load_part(cell + channel, count);
  }
};

// Cells of the gradient before the pooling, with windows of 2 × 2 (HALVING 1) or none (0): a winner's, else zero.
template <int HALVING>
struct WinnerCells {
  const float* gradient_nqk;
  const uint8_t* winner_nqk;
  int64_t qh, qw, k;

  struct Cell {
    const float* gradient;
    const uint8_t* winner;
    int place;
  };
  INLINE Cell find(int64_t n, int64_t y, int64_t x, const float* zeros) const {
    const int64_t q = y >> HALVING, r = x >> HALVING, odd = (1 << HALVING) - 1;
    if (q < 0 || q >= qh || r < 0 || r >= qw) return {zeros, reinterpret_cast<const uint8_t*>(zeros), -1};
    const int64_t at = ((n * qh + q) * qw + r) * k;
    return {gradient_nqk + at, winner_nqk + at, static_cast<int>((y & odd) * 2 + (x & odd))};
  }
  INLINE Floats read(const Cell& cell, int64_t channel, int64_t count) const {
    __builtin_prefetch(cell.gradient + channel + PREFETCHED / 2 * k);
    const Ints won = load_bytes_part(cell.winner + channel, count) == cell.place - Ints{};
    return won ? load_part(cell.gradient + channel, count) : Floats{};
  }
};

// A tile's cells as they are, or after ReLU; cut off where the tile reaches beyond the map.
template <bool RELU>
struct PlainSink {
  const Tiles& t;
  float* y_nhwk;
  uint8_t* winner_nhwk;  // or null

  template <int HIGH, int WIDTH>
  void operator()(int64_t tile, int64_t k, const Floats (&cells)[HIGH][WIDTH]) const {
    const int64_t n = tile / (t.rows() * t.columns());
    const int64_t top = tile / t.columns() % t.rows() * HIGH, left = tile % t.columns() * WIDTH;
#pragma GCC unroll 4
    for (int row = 0; row < HIGH; ++row) {
      if (top + row >= t.h) break;
#pragma GCC unroll 4
      for (int column = 0; column < WIDTH; ++column) {
        if (left + column >= t.w) break;
        const int64_t at = ((n * t.h + top + row) * t.w + left + column) * t.k + k;
        if (RELU)
          Best{cells[row][column], Ints{}}.write(y_nhwk + at, winner_nhwk ? winner_nhwk + at : nullptr, t.k - k);
        else
          store_part(y_nhwk + at, cells[row][column], t.k - k);
      }
    }
  }
};

// The largest cell of every 2 × 2 window of a tile, after ReLU, and which it was. There is no NaN among them.
struct PooledSink {
  const Tiles& t;
  float* y_nqk;
  uint8_t* winner_nqk;  // or null

  template <int HIGH, int WIDTH>
  void operator()(int64_t tile, int64_t k, const Floats (&cells)[HIGH][WIDTH]) const {
    const int64_t n = tile / (t.rows() * t.columns()), qh = t.h / 2, qw = t.w / 2;
    const int64_t top = tile / t.columns() % t.rows() * (HIGH / 2), left = tile % t.columns() * (WIDTH / 2);
#pragma GCC unroll 2
    for (int row = 0; row < HIGH / 2; ++row) {
      if (top + row >= qh) break;
#pragma GCC unroll 2
      for (int column = 0; column < WIDTH / 2; ++column) {
        if (left + column >= qw) break;
        const int64_t at = ((n * qh + top + row) * qw + left + column) * t.k + k;
        pool_four(cells[2 * row][2 * column], cells[2 * row][2 * column + 1], cells[2 * row + 1][2 * column],
                  cells[2 * row + 1][2 * column + 1], y_nqk + at, winner_nqk ? winner_nqk + at : nullptr, t.k - k);
      }
    }
  }
};

inline bool winograd_shape(const Shape& s) {
  return s.fh == 3 && s.fw == 3 && s.sh == 1 && s.sw == 1 && (two_by_two(s) || unpooled(s)) && s.c >= 16 && s.k >= 16;
}

template <class W>
struct ForwardBy {
  static Tiles tiles(const Shape& s) {
    const bool pooled = two_by_two(s);
    return {s.n, pooled ? s.qh * 2 : s.oh, pooled ? s.qw * 2 : s.ow, -s.top, -s.left, s.c, s.k, W::HIGH, W::WIDTH};
  }
  static int64_t units(const Shape& s) { return tiles(s).units(); }
  static size_t scratch(const Shape& s) { return W::scratch_floats(s.c); }

  static bool run(const Shape& s, int64_t begin, int64_t end, const float* x_nhwc, const float* packed,
                  const float* bias_k, float* y_nqk, uint8_t* winner_nqk, float* scratch) {
    const Tiles t = tiles(s);
    const PlainCells cells{x_nhwc, s.h, s.w, s.c};
    if (two_by_two(s))
      return W::run(t, begin, end, cells, packed, bias_k, PooledSink{t, y_nqk, winner_nqk}, scratch);
    return W::run(t, begin, end, cells, packed, bias_k, PlainSink<true>{t, y_nqk, winner_nqk}, scratch);
  }
};

// The input gradient: the gradient before the pooling, convolved with the filters turned round.
template <class W>
struct InputGradientBy {
  static Tiles tiles(const Shape& s) {
    return {s.n, s.h, s.w, s.top - 2, s.left - 2, s.k, s.c, W::HIGH, W::WIDTH};
  }
  static int64_t units(const Shape& s) { return tiles(s).units(); }
  static size_t scratch(const Shape& s) { return W::scratch_floats(s.k); }

  static bool run(const Shape& s, int64_t begin, int64_t end, const float* gradient_nqk, const uint8_t* winner_nqk,
                  const float* packed, float* dx_nhwc, float* scratch) {
    const Tiles t = tiles(s);
    const PlainSink<false> sink{t, dx_nhwc, nullptr};
    if (two_by_two(s))
      return W::run(t, begin, end, WinnerCells<1>{gradient_nqk, winner_nqk, s.qh, s.qw, s.k}, packed, nullptr, sink,
                    scratch);
    return W::run(t, begin, end, WinnerCells<0>{gradient_nqk, winner_nqk, s.qh, s.qw, s.k}, packed, nullptr, sink,
                  scratch);
  }
};

// The larger the tiles, the fewer products and the more rounding, relative to the convolution's own, which grows
// with the channels that are summed. As chosen here the error stays within twice that of torch's convolution
// (docs/kernel.md); the gradient before a pooling is mostly zeros, and torch's error smaller.
using Small = Winograd<Two, Two>;

using Pooled = Winograd<FourWithOne, Two>;
bool pooled_applies(const Shape& s) { return winograd_shape(s) && two_by_two(s) && s.c >= 32 && s.k >= 32; }

using Plain = Winograd<Four, Two>;
bool plain_applies(const Shape& s) { return winograd_shape(s) && unpooled(s) && s.c >= 32; }

template <class W>
constexpr Forward forward_by(bool (*applies)(const Shape&)) {
  return {applies, W::packed_floats, W::pack, ForwardBy<W>::units, ForwardBy<W>::scratch, ForwardBy<W>::run};
}
