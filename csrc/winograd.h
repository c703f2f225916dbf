// Winograd's algorithm: cells of a 3 × 3 convolution from fewer products than cells × taps.
//
// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). A patch of input cells
// and a filter are transformed, multiplied place by place, summed over the channels, and transformed
// back: Y = Aᵀ [Σ (G g Gᵀ) ⊙ (Bᵀ d B)] A. The sums over the channels are matrix products, one for each place.
//
// An infinity or NaN in a patch makes NaN of other cells than in a convolution, so does an overflow:
// a unit that meets one says so, and the direct algorithm does the work again.

#include "winograd_transforms.h"

// Tiles of a unit, at most: the transformed filters come by once for all of them. One image may be four units
// of fewer tiles, so that threads find work; each product takes TILE_GROUP tiles at a time.
constexpr int64_t UNIT_TILES = 24, TILE_GROUP = 6, LEAST_UNITS = 4;
// Long sums lose digits: after so many channels a sum is put by, and begins anew.
constexpr int64_t CHANNELS_IN_A_ROW = 32;

// The tiles of a map of h × w × k cells, of all images one after the other.
struct Tiles {
  int64_t n, h, w;    // images, and the map that is written (before a pooling)
  int64_t top, left;  // where its first cell's patch begins in the map that is read
  int64_t c, k;       // channels that are read, filters
  int64_t high, wide;  // cells of a tile

  int64_t rows() const { return (h + high - 1) / high; }
  int64_t columns() const { return (w + wide - 1) / wide; }
  int64_t count() const { return n * rows() * columns(); }
  int64_t per_unit() const {
    return std::clamp(round_up((count() + LEAST_UNITS - 1) / LEAST_UNITS, TILE_GROUP), TILE_GROUP, UNIT_TILES);
  }
  int64_t units() const { return (count() + per_unit() - 1) / per_unit(); }
};

// From a place to the next: transformed patches [c / LANES][tile][LANES], products [tile][filters of a block]. A
// vector more than they need: distances of whole pages would crowd into few lines of the cache.
inline int64_t patch_floats(int64_t c) { return UNIT_TILES * round_up(c, LANES) + LANES; }
constexpr int64_t PRODUCT_FLOATS = UNIT_TILES * WIDE * LANES + LANES;

#include "winograd_products.h"

template <class Down, class Across>
struct Winograd {
  static constexpr int PLACES = Down::PLACES * Across::PLACES;
  static constexpr int HIGH = Down::OUTPUTS, WIDTH = Across::OUTPUTS;

  using Output = Floats[HIGH][WIDTH];

  static size_t packed_floats(const Shape& s) {
    return PLACES * round_up(s.k, WIDE * LANES) * round_up(s.c, LANES);
  }

  // The filters (k, 3, 3, c) transformed: per block of filters and place [c][filters of the block].
  static void pack(const Shape& s, const float* w_kfgc, float* packed) {
    const int64_t padded = round_up(s.c, LANES);
    for (int64_t k = 0; k < s.k;) {
      const int64_t wide = block_vectors(s, k) * LANES;
      std::fill(packed, packed + PLACES * padded * wide, 0.0f);
      for (int64_t lane = 0; lane < std::min(wide, s.k - k); ++lane)
        for (int64_t channel = 0; channel < s.c; channel += LANES)
          pack_one(s.c, channel, w_kfgc + (k + lane) * 9 * s.c, wide, padded, packed + lane);
      packed += PLACES * padded * wide;
      k += wide;
    }
  }

  static void pack_one(int64_t c, int64_t channel, const float* g_fgc, int64_t wide, int64_t padded, float* packed) {
    const int64_t count = std::min<int64_t>(LANES, c - channel);
    Floats half[Down::PLACES][3];
    for (int column = 0; column < 3; ++column) {
      Floats taps[3], places[Down::PLACES];
      for (int row = 0; row < 3; ++row) taps[row] = load_part(g_fgc + (row * 3 + column) * c + channel, count);
      Down::filter(taps, places);
      for (int row = 0; row < Down::PLACES; ++row) half[row][column] = places[row];
    }
    for (int row = 0; row < Down::PLACES; ++row) {
      Floats places[Across::PLACES];
      Across::filter(half[row], places);
      for (int column = 0; column < Across::PLACES; ++column)
        for (int64_t i = 0; i < count; ++i)
          packed[((row * Across::PLACES + column) * padded + channel + i) * wide] = places[column][i];
    }
  }

  // One tile's patch, transformed, for all channels.
  template <class Cells>
  static void transform_patch(const Tiles& t, const Cells& cells, int64_t tile, const float* zeros, float* patches) {
    const int64_t n = tile / (t.rows() * t.columns());
    const int64_t y = tile / t.columns() % t.rows() * HIGH + t.top, x = tile % t.columns() * WIDTH + t.left;
    typename Cells::Cell cell[Down::PLACES][Across::PLACES];
    for (int row = 0; row < Down::PLACES; ++row)
      for (int column = 0; column < Across::PLACES; ++column)
        cell[row][column] = cells.find(n, y + row, x + column, zeros);
    for (int64_t channel = 0; channel < t.c; channel += LANES, patches += UNIT_TILES * LANES) {
      Floats half[Down::PLACES][Across::PLACES];
#pragma GCC unroll 6
      for (int column = 0; column < Across::PLACES; ++column) {
        Floats d[Down::PLACES], places[Down::PLACES];
#pragma GCC unroll 6
        for (int row = 0; row < Down::PLACES; ++row) d[row] = cells.read(cell[row][column], channel, t.c - channel);
        Down::patch(d, places);
#pragma GCC unroll 6
        for (int row = 0; row < Down::PLACES; ++row) half[row][column] = places[row];
      }
#pragma GCC unroll 6
      for (int row = 0; row < Down::PLACES; ++row) {
        Floats places[Across::PLACES];
        Across::patch(half[row], places);
#pragma GCC unroll 6
        for (int column = 0; column < Across::PLACES; ++column)
          store(patches + (row * Across::PLACES + column) * patch_floats(t.c), places[column]);
      }
    }
  }

  // One tile's products for one vector of filters, transformed back.
  static INLINE void transform_back(const float* products, Output& y) {
    Floats half[HIGH][Across::PLACES];
#pragma GCC unroll 6
    for (int column = 0; column < Across::PLACES; ++column) {
      Floats m[Down::PLACES], cells[HIGH];
#pragma GCC unroll 6
      for (int row = 0; row < Down::PLACES; ++row)
        m[row] = load(products + (row * Across::PLACES + column) * PRODUCT_FLOATS);
      Down::back(m, cells);
#pragma GCC unroll 4
      for (int row = 0; row < HIGH; ++row) half[row][column] = cells[row];
    }
#pragma GCC unroll 4
    for (int row = 0; row < HIGH; ++row) Across::back(half[row], y[row]);
  }

  static size_t scratch_floats(int64_t c) {
    return round_up(c, LANES) + PLACES * (patch_floats(c) + PRODUCT_FLOATS);
  }

  // Units begin..end of the tiles; `sink` takes each tile's cells. False when a cell is not finite.
  template <class Cells, class Sink>
  static bool run(const Tiles& t, int64_t begin, int64_t end, const Cells& cells, const float* packed,
                  const float* bias_k, const Sink& sink, float* scratch) {
    float* patches = scratch + round_up(t.c, LANES);
    float* products = patches + PLACES * patch_floats(t.c);
    std::fill(scratch, patches, 0.0f);
    Shape s{};
    s.k = t.k;
    Ints strange = {};
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit * t.per_unit(), count = std::min(t.per_unit(), t.count() - first);
      for (int64_t tile = 0; tile < count; ++tile)
        transform_patch(t, cells, first + tile, scratch, patches + tile * LANES);
      const float* filters = packed;
      for (int64_t k = 0; k < t.k;) {
        const int64_t vectors = block_vectors(s, k), wide = vectors * LANES;
        for (int place = 0; place < PLACES; ++place, filters += round_up(t.c, LANES) * wide)
          (vectors == 1 ? multiply_tiles<1> : multiply_tiles<WIDE>)(
              patches + place * patch_floats(t.c), count, round_up(t.c, LANES), filters, products + place * PRODUCT_FLOATS);
        for (int64_t v = 0; v < vectors && k + v * LANES < t.k; ++v) {
          const int64_t at = k + v * LANES;
          const Floats bias = bias_k ? load_part(bias_k + at, t.k - at) : Floats{};
          for (int64_t tile = 0; tile < count; ++tile) {
            Output y;
            transform_back(products + tile * wide + v * LANES, y);
            Floats all = {};
            for (auto& row : y)
              for (Floats& cell : row) {
                cell += bias;
                all += cell;
              }
            strange |= (all - all) != Floats{};
            sink(first + tile, at, y);
          }
        }
        k += wide;
      }
    }
    return !any(strange);
  }
};
