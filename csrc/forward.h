// Forward.
//
// Per pooled row, the input rows that it depends on are copied with their zeros into a strip that
// stays in cache. A tile of ROWS × COLUMNS cells and V vectors of filters stays in registers while
// the filter's taps go by: V weight vectors are loaded, and every cell's input value is broadcast.
// A tap is one (column, channel) of a filter's row: both are neighbours in memory.

// Filters k..k + LANES·v of a block are stored tap by tap: [fh · fw·c][v · LANES].
inline int64_t block_vectors(const Shape& s, int64_t k) { return s.k - k > LANES ? WIDE : 1; }

size_t packed_floats(const Shape& s) { return round_up(s.k, LANES * WIDE) * s.fh * s.fw * s.c; }

void pack(const Shape& s, const float* w_kfgc, float* packed) {
  const int64_t taps = s.fh * s.fw * s.c;
  for (int64_t k = 0; k < s.k;) {
    const int64_t wide = block_vectors(s, k) * LANES;
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t lane = 0; lane < wide; ++lane)
        *packed++ = k + lane < s.k ? w_kfgc[(k + lane) * taps + tap] : 0.0f;
    k += wide;
  }
}

// A strip of zero-padded input rows; `line` floats from one row to the next.
struct Strip {
  const float* cells;
  int64_t line;
};

// Copies `rows` input rows from `top` on and `columns` columns from `left` on; outside are zeros.
Strip copy_strip(const float* x_hwc, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left, int64_t rows,
                 int64_t columns, float* scratch) {
  const int64_t line = columns * c;
  const int64_t before = std::clamp<int64_t>(-left, 0, columns);
  const int64_t inside = std::clamp<int64_t>(w - std::max<int64_t>(left, 0), 0, columns - before);
  for (int64_t row = 0; row < rows; ++row) {
    float* to = scratch + row * line;
    const int64_t y = top + row;
    if (y < 0 || y >= h) {
      std::memset(to, 0, line * sizeof(float));
      continue;
    }
    std::memset(to, 0, before * c * sizeof(float));
    std::memcpy(to + before * c, x_hwc + (y * w + std::max<int64_t>(left, 0)) * c, inside * c * sizeof(float));
    std::memset(to + (before + inside) * c, 0, (columns - before - inside) * c * sizeof(float));
  }
  return {scratch, line};
}

// What a tile reads: its first cell's place, the steps to the next, and the taps.
struct Reading {
  const float* cells;
  int64_t line;         // to the next row of the filter
  int64_t row_step;     // to the next row of cells
  int64_t column_step;  // to the next cell of a row
  int64_t fh, taps;
};

// The step from cell to cell of a row is known to the compiler for one and for three channels, if there are few taps
// (STEP is 0 otherwise): a first layer would spend its time on addresses.
template <int STEP>
INLINE int64_t column_step(const Reading& from) {
  return STEP ? STEP : from.column_step;
}

// Long sums lose digits: after so many taps a tile's sums are put by, and begin anew.
constexpr int64_t TAPS_IN_A_ROW = 128;

template <int ROWS, int COLUMNS, int V>
using Sums = Floats[ROWS][COLUMNS][V];

// Adds `from` to `to`, and clears it.
template <int ROWS, int COLUMNS, int V>
INLINE void put_by(Sums<ROWS, COLUMNS, V>& from, Sums<ROWS, COLUMNS, V>& to) {
#pragma GCC unroll 32
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 32
    for (int column = 0; column < COLUMNS; ++column)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        to[row][column][v] += from[row][column][v];
        from[row][column][v] = Floats{};
      }
}

template <int ROWS, int COLUMNS, int V, int STEP>
INLINE void accumulate_taps(const Reading& from, const float* cells, int64_t taps, const float* packed,
                            Sums<ROWS, COLUMNS, V>& sum) {
  for (int64_t tap = 0; tap < taps; ++tap, packed += V * LANES) {
    Floats weights[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weights[v] = load(packed + v * LANES);
#pragma GCC unroll 32
    for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 32
      for (int column = 0; column < COLUMNS; ++column) {
        const Floats value = splat(cells[row * from.row_step + column * column_step<STEP>(from) + tap]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[row][column][v] += value * weights[v];
      }
  }
}

template <int ROWS, int COLUMNS, int V, int STEP = 0, int64_t LONGEST = TAPS_IN_A_ROW>
INLINE void accumulate(const Reading& from, const float* packed, Sums<ROWS, COLUMNS, V>& sum) {
  if (STEP || from.fh * from.taps <= LONGEST) {
    for (int64_t dy = 0; dy < from.fh; ++dy)
      accumulate_taps<ROWS, COLUMNS, V, STEP>(from, from.cells + dy * from.line, from.taps,
                                        packed + dy * from.taps * V * LANES, sum);
    return;
  }
  Floats total[ROWS][COLUMNS][V] = {};
  int64_t in_a_row = 0;
  for (int64_t dy = 0; dy < from.fh; ++dy)
    for (int64_t tap = 0; tap < from.taps; tap += LONGEST) {
      if (in_a_row >= LONGEST) {
        put_by<ROWS, COLUMNS, V>(sum, total);
        in_a_row = 0;
      }
      const int64_t now = std::min(LONGEST, from.taps - tap);
      accumulate_taps<ROWS, COLUMNS, V, STEP>(from, from.cells + dy * from.line + tap, now,
                                        packed + (dy * from.taps + tap) * V * LANES, sum);
      in_a_row += now;
    }
  put_by<ROWS, COLUMNS, V>(total, sum);
}

// After the sum, not before: the first of its parts would round everything that follows.
template <int ROWS, int COLUMNS, int V>
INLINE void add_bias_to(Floats (&sum)[ROWS][COLUMNS][V], const float* bias_k, int64_t filters) {
  if (!bias_k) return;
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    const int64_t left = filters - v * LANES;
    const Floats bias = left > 0 ? load_part(bias_k + v * LANES, left) : Floats{};
#pragma GCC unroll 32
    for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 32
      for (int column = 0; column < COLUMNS; ++column) sum[row][column][v] += bias;
  }
}

// The largest so far and where it was. As in torch: the first maximum wins, but any NaN takes over.
struct Best {
  Floats value;
  Ints place;
  INLINE void challenge(Floats other, int at) {
    const Ints take = (other > value) | (other != other);
    value = take ? other : value;
    place = take ? at - Ints{} : place;
  }
  // ReLU; of NaN it is NaN.
  INLINE void write(float* y, uint8_t* winner, int64_t count) const {
    const Ints dead = value <= Floats{};
    store_part(y, dead ? Floats{} : value, count);
    if (winner) store_bytes_part(winner, dead ? DEAD - Ints{} : place, count);
  }
};

struct Output {
  float* y;
  uint8_t* winner;  // or null
  int64_t filters;  // of this block
  int64_t step;     // to the next pooled cell
};

// The largest of four cells without NaN, after ReLU, and which it was: the first of equals.
INLINE void pool_four(Floats a, Floats b, Floats c, Floats d, float* y, uint8_t* winner, int64_t count) {
  const Floats above = b > a ? b : a, below = d > c ? d : c, most = below > above ? below : above;
  store_part(y, most > Floats{} ? most : Floats{}, count);
  if (!winner) return;
  Ints place = 3 - Ints{};
  place = c == most ? 2 - Ints{} : place;
  place = b == most ? 1 - Ints{} : place;
  place = a == most ? Ints{} : place;
  store_bytes_part(winner, most > Floats{} ? place : DEAD - Ints{}, count);
}

// P windows of 2 × 2 with stride 2, straight from the registers.
template <int P, int V, int STEP>
__attribute__((noinline)) void pooled_tile(const Reading& from, const float* packed, const float* bias_k,
                                           const Output& to) {
  Floats sum[2][2 * P][V] = {};
  accumulate<2, 2 * P, V, STEP>(from, packed, sum);
  add_bias_to<2, 2 * P, V>(sum, bias_k, to.filters);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Floats a = sum[0][2 * p][v], b = sum[0][2 * p + 1][v], c = sum[1][2 * p][v], d = sum[1][2 * p + 1][v];
      const int64_t at = p * to.step + v * LANES;
      uint8_t* winner = to.winner ? to.winner + at : nullptr;
      // A sum is NaN if a part of it is; rarely also if none is, and that does no harm.
      const Floats all = (a + b) + (c + d);
      if (any(all != all)) {
        Best best{a, Ints{}};
        best.challenge(b, 1);
        best.challenge(c, 2);
        best.challenge(d, 3);
        best.write(to.y + at, winner, to.filters - v * LANES);
      } else {
        pool_four(a, b, c, d, to.y + at, winner, to.filters - v * LANES);
      }
    }
}

// COLUMNS cells of one row, before ReLU, with LANES · V floats from one cell to the next.
template <int COLUMNS, int V, int STEP>
__attribute__((noinline)) void row_tile(const Reading& from, const float* packed, const float* bias_k, int64_t filters,
                                        float* cells) {
  Floats sum[1][COLUMNS][V] = {};
  accumulate<1, COLUMNS, V, STEP>(from, packed, sum);
  add_bias_to<1, COLUMNS, V>(sum, bias_k, filters);
#pragma GCC unroll 32
  for (int column = 0; column < COLUMNS; ++column)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(cells + (column * V + v) * LANES, sum[0][column][v]);
}

// COLUMNS cells of one row without a pooling.
template <int COLUMNS, int V, int STEP>
__attribute__((noinline)) void relu_tile(const Reading& from, const float* packed, const float* bias_k,
                                         const Output& to) {
  Floats sum[1][COLUMNS][V] = {};
  accumulate<1, COLUMNS, V, STEP>(from, packed, sum);
  add_bias_to<1, COLUMNS, V>(sum, bias_k, to.filters);
#pragma GCC unroll 32
  for (int column = 0; column < COLUMNS; ++column)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const int64_t at = column * to.step + v * LANES;
      Best{sum[0][column][v], Ints{}}.write(to.y + at, to.winner ? to.winner + at : nullptr, to.filters - v * LANES);
    }
}

using OutputTile = void (*)(const Reading&, const float*, const float*, const Output&);
using RowTile = void (*)(const Reading&, const float*, const float*, int64_t, float*);

template <int V, int STEP, int... I>
constexpr OutputTile pooled_tile_of(int size, std::integer_sequence<int, I...>) {
  constexpr OutputTile tiles[] = {pooled_tile<I + 1, V, STEP>...};
  return tiles[size - 1];
}

template <int V, int STEP, int... I>
constexpr RowTile row_tile_of(int size, std::integer_sequence<int, I...>) {
  constexpr RowTile tiles[] = {row_tile<I + 1, V, STEP>...};
  return tiles[size - 1];
}

template <int V, int STEP, int... I>
constexpr OutputTile relu_tile_of(int size, std::integer_sequence<int, I...>) {
  constexpr OutputTile tiles[] = {relu_tile<I + 1, V, STEP>...};
  return tiles[size - 1];
}

// A row of pooled cells; without a pooling (SIDE 1) of cells.
template <int SIDE, int V, int STEP>
void output_row_by(const Reading& from, const float* packed, const float* bias_k, int64_t count, const Output& to) {
  constexpr int MOST = TILE / (SIDE * SIDE * V);
  constexpr auto sizes = std::make_integer_sequence<int, MOST>{};
  Reading reading = from;
  Output output = to;
  for (int64_t done = 0; done < count;) {
    const int size = static_cast<int>(std::min<int64_t>(MOST, count - done));
    if constexpr (SIDE == 2)
      pooled_tile_of<V, STEP>(size, sizes)(reading, packed, bias_k, output);
    else
      relu_tile_of<V, STEP>(size, sizes)(reading, packed, bias_k, output);
    reading.cells += size * SIDE * from.column_step;
    output.y += size * to.step;
    if (output.winner) output.winner += size * to.step;
    done += size;
  }
}

template <int V, int STEP>
void plain_row_by(const Reading& from, const float* packed, const float* bias_k, int64_t filters, int64_t columns,
               float* cells) {
  constexpr int MOST = TILE / V;
  Reading reading = from;
  for (int64_t done = 0; done < columns;) {
    const int size = static_cast<int>(std::min<int64_t>(MOST, columns - done));
    row_tile_of<V, STEP>(size, std::make_integer_sequence<int, MOST>{})(reading, packed, bias_k, filters, cells);
    reading.cells += size * from.column_step;
    cells += size * V * LANES;
    done += size;
  }
}

inline int64_t known_step(const Reading& from) {
  return from.fh * from.taps <= TAPS_IN_A_ROW ? from.column_step : 0;
}

template <int SIDE, int V>
void output_row(const Reading& from, const float* packed, const float* bias_k, int64_t count, const Output& to) {
  const int64_t step = known_step(from);
  (step == 1   ? output_row_by<SIDE, V, 1>
   : step == 3 ? output_row_by<SIDE, V, 3>
               : output_row_by<SIDE, V, 0>)(from, packed, bias_k, count, to);
}

template <int V>
void plain_row(const Reading& from, const float* packed, const float* bias_k, int64_t filters, int64_t columns,
               float* cells) {
  const int64_t step = known_step(from);
  (step == 1 ? plain_row_by<V, 1> : step == 3 ? plain_row_by<V, 3> : plain_row_by<V, 0>)(from, packed, bias_k, filters,
                                                                                           columns, cells);
}

// Any window over rows of cells that lie in scratch, `wide` floats from cell to cell.
void pool_row(const Shape& s, const float* cells, int64_t wide, int64_t columns, const Output& to) {
  for (int64_t q = 0; q < s.qw; ++q)
    for (int64_t lane = 0; lane < wide && lane < to.filters; lane += LANES) {
      Best best{load(cells + q * s.psw * wide + lane), Ints{}};
      for (int64_t a = 0; a < s.ph; ++a)
        for (int64_t b = 0; b < s.pw; ++b)
          if (a || b)
            best.challenge(load(cells + (a * columns + q * s.psw + b) * wide + lane), static_cast<int>(a * s.pw + b));
      const int64_t at = q * to.step + lane;
      best.write(to.y + at, to.winner ? to.winner + at : nullptr, to.filters - lane);
    }
}

inline int64_t convolved_columns(const Shape& s) { return (s.qw - 1) * s.psw + s.pw; }

inline bool two_by_two(const Shape& s) { return s.ph == 2 && s.pw == 2 && s.psh == 2 && s.psw == 2; }
inline bool unpooled(const Shape& s) { return s.ph == 1 && s.pw == 1 && s.psh == 1 && s.psw == 1; }

// Pooled rows of a unit. Where windows overlap they share convolved rows, and a band of them shares most.
inline int64_t band_rows(const Shape& s) { return s.ph > s.psh ? std::min<int64_t>(8, s.qh) : 1; }
inline int64_t bands(const Shape& s) { return (s.qh + band_rows(s) - 1) / band_rows(s); }
inline int64_t convolved_rows(const Shape& s, int64_t pooled) { return (pooled - 1) * s.psh + s.ph; }

size_t forward_scratch(const Shape& s) {
  const int64_t columns = convolved_columns(s), rows = convolved_rows(s, band_rows(s));
  return s.rows_read(rows) * s.columns_read(columns) * s.c + rows * columns * WIDE * LANES + LANES;
}

bool always(const Shape&) { return true; }

int64_t forward_units(const Shape& s) { return s.n * bands(s); }

bool forward(const Shape& s, int64_t begin, int64_t end, const float* x_nhwc, const float* packed, const float* bias_k,
             float* y_nqk, uint8_t* winner_nqk, float* scratch) {
  const int64_t columns = convolved_columns(s), taps = s.fw * s.c;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t n = unit / bands(s), q = unit % bands(s) * band_rows(s);
    const int64_t pooled = std::min(band_rows(s), s.qh - q), rows = convolved_rows(s, pooled);
    const Strip strip = copy_strip(x_nhwc + n * s.h * s.w * s.c, s.h, s.w, s.c, q * s.psh * s.sh - s.top, -s.left,
                                   s.rows_read(rows), s.columns_read(columns), scratch);
    float* cells = scratch + s.rows_read(rows) * strip.line;
    const Reading from{strip.cells, strip.line, s.sh * strip.line, s.sw * s.c, s.fh, taps};
    for (int64_t k = 0; k < s.k;) {
      const int64_t vectors = block_vectors(s, k), wide = vectors * LANES;
      const float* weights = packed + k * s.fh * taps;
      const float* bias = bias_k ? bias_k + k : nullptr;
      const int64_t at = (n * s.qh + q) * s.qw * s.k + k;
      Output to{y_nqk + at, winner_nqk ? winner_nqk + at : nullptr, std::min(wide, s.k - k), s.k};
      if (two_by_two(s)) {
        (vectors == 1 ? output_row<2, 1> : output_row<2, WIDE>)(from, weights, bias, s.qw, to);
      } else if (unpooled(s)) {
        (vectors == 1 ? output_row<1, 1> : output_row<1, WIDE>)(from, weights, bias, s.qw, to);
      } else {
        for (int64_t row = 0; row < rows; ++row) {
          Reading reading = from;
          reading.cells += row * from.row_step;
          (vectors == 1 ? plain_row<1> : plain_row<WIDE>)(reading, weights, bias, to.filters, columns,
                                                          cells + row * columns * wide);
        }
        for (int64_t row = 0; row < pooled; ++row) {
          pool_row(s, cells + row * s.psh * columns * wide, wide, columns, to);
          to.y += s.qw * s.k;
          if (to.winner) to.winner += s.qw * s.k;
        }
      }
      k += wide;
    }
  }
  return true;
}
