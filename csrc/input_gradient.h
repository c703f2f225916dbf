// Input gradient.
//
// A convolution of the gradient with the filters turned round: the gradient of some input rows depends
// on fh - 1 more rows before the pooling, which are written out from gradients and winners into a
// strip, and convolved by the forward pass's tiles, two rows at a time.

// Rows of a unit of work: the more, the fewer rows are written out twice.
constexpr int64_t INPUT_ROWS = 8;

bool stride_one(const Shape& s) { return s.sh == 1 && s.sw == 1; }

int64_t input_units(const Shape& s) { return s.n * ((s.h + INPUT_ROWS - 1) / INPUT_ROWS); }

size_t input_scratch(const Shape& s) { return (INPUT_ROWS + s.fh) * (s.w + s.fw - 1) * s.k + LANES; }

// One row before the pooling, from column `left` on: every winner's gradient in its place, else zero.
// Where windows overlap, a cell may have won several.
void expand_row(const Shape& s, int64_t y, int64_t left, int64_t columns, const float* gradient_qk,
                const uint8_t* winner_qk, float* to) {
  std::memset(to, 0, columns * s.k * sizeof(float));
  if (y < 0) return;
  const int64_t first = y < s.ph ? 0 : (y - s.ph) / s.psh + 1, last = std::min(y / s.psh, s.qh - 1);
  for (int64_t q = first; q <= last; ++q)
    for (int64_t r = 0; r < s.qw; ++r)
      for (int64_t b = 0; b < s.pw; ++b) {
        const int64_t column = r * s.psw + b - left;
        if (column < 0 || column >= columns) continue;
        const int64_t at = (q * s.qw + r) * s.k;
        const auto place = static_cast<int>((y - q * s.psh) * s.pw + b);
        for (int64_t k = 0; k < s.k; k += LANES) {
          const Ints here = load_bytes_part(winner_qk + at + k, s.k - k) == place - Ints{};
          const Floats gradient = load_part(gradient_qk + at + k, s.k - k);
          float* cell = to + column * s.k + k;
          store_part(cell, load_part(cell, s.k - k) + (here ? gradient : Floats{}), s.k - k);
        }
      }
}

template <int COLUMNS, int V>
void gradient_tile(const Reading& from, const float* packed, int64_t channels, int64_t rows, int64_t step,
                   int64_t row_step, float* dx) {
  Floats sum[2][COLUMNS][V] = {};
  accumulate<2, COLUMNS, V>(from, packed, sum);
#pragma GCC unroll 2
  for (int row = 0; row < 2; ++row) {
    if (row >= rows) break;
#pragma GCC unroll 32
    for (int column = 0; column < COLUMNS; ++column)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        if (channels > v * LANES)
          store_part(dx + row * row_step + column * step + v * LANES, sum[row][column][v], channels - v * LANES);
  }
}

using GradientTile = void (*)(const Reading&, const float*, int64_t, int64_t, int64_t, int64_t, float*);

template <int V, int... I>
constexpr GradientTile gradient_tile_of(int size, std::integer_sequence<int, I...>) {
  constexpr GradientTile tiles[] = {gradient_tile<I + 1, V>...};
  return tiles[size - 1];
}

template <int V>
void gradient_rows(const Shape& s, const Reading& from, const float* packed, int64_t channels, int64_t rows,
                   float* dx) {
  constexpr int MOST = TILE / (2 * V);
  Reading reading = from;
  for (int64_t done = 0; done < s.w;) {
    const int size = static_cast<int>(std::min<int64_t>(MOST, s.w - done));
    gradient_tile_of<V>(size, std::make_integer_sequence<int, MOST>{})(reading, packed, channels, rows, s.c,
                                                                       s.w * s.c, dx);
    reading.cells += size * from.column_step;
    dx += size * s.c;
    done += size;
  }
}

bool input_gradient(const Shape& s, int64_t begin, int64_t end, const float* gradient_nqk, const uint8_t* winner_nqk,
                    const float* packed, float* dx_nhwc, float* scratch) {
  Shape turned{};  // the filters as the packing sees them
  turned.k = s.c, turned.c = s.k, turned.fh = s.fh, turned.fw = s.fw;
  const int64_t units = (s.h + INPUT_ROWS - 1) / INPUT_ROWS, columns = s.w + s.fw - 1, taps = s.fw * s.k;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t n = unit / units, top = unit % units * INPUT_ROWS, bottom = std::min(top + INPUT_ROWS, s.h);
    const float* gradient = gradient_nqk + n * s.qh * s.qw * s.k;
    const uint8_t* winner = winner_nqk + n * s.qh * s.qw * s.k;
    // One row more than is needed, for the second half of a last pair that has one row only.
    for (int64_t row = 0; row < bottom - top + s.fh; ++row)
      expand_row(s, top + s.top - s.fh + 1 + row, s.left - s.fw + 1, columns, gradient, winner,
                 scratch + row * columns * s.k);
    for (int64_t c = 0; c < s.c;) {
      const int64_t vectors = block_vectors(turned, c), wide = vectors * LANES;
      for (int64_t y = top; y < bottom; y += 2) {
        const Reading from{scratch + (y - top) * columns * s.k, columns * s.k, columns * s.k, s.k, s.fh, taps};
        (vectors == 1 ? gradient_rows<1> : gradient_rows<WIDE>)(
            s, from, packed + c * s.fh * taps, std::min(wide, s.c - c), std::min<int64_t>(2, bottom - y),
            dx_nhwc + (n * s.h + y) * s.w * s.c + c);
      }
      c += wide;
    }
  }
  return true;
}

// The gradient before the pooling as a map of its own, for torch's dense products. Units: rows of all images.
void expand(const Shape& s, int64_t begin, int64_t end, const float* gradient_nqk, const uint8_t* winner_nqk,
            float* dense_nhwk) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t image = unit / s.oh * s.qh * s.qw * s.k;
    expand_row(s, unit % s.oh, 0, s.ow, gradient_nqk + image, winner_nqk + image, dense_nhwk + unit * s.ow * s.k);
  }
}
