// The matrix products of Winograd's algorithm: one place's patches [c / LANES][tile][LANES] times its filters
// [c][filters of a block]. All distances but the number of channels are known to the compiler.

// Channels take turns among SETS of sums: shorter sums round less, and cost nothing here.
constexpr int SETS = 2;

template <int TILES, int V>
INLINE void multiply_channels(const float* patches, int64_t channels, const float* filters,
                              Floats (&sum)[SETS][TILES][V]) {
  for (int64_t c = 0; c < channels; c += LANES, patches += UNIT_TILES * LANES)
    for (int lane = 0; lane < LANES; lane += SETS)
#pragma GCC unroll 4
      for (int set = 0; set < SETS; ++set, filters += V * LANES) {
        Floats weights[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) weights[v] = load(filters + v * LANES);
#pragma GCC unroll 32
        for (int tile = 0; tile < TILES; ++tile) {
          const Floats value = splat(patches[tile * LANES + lane + set]);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) sum[set][tile][v] += value * weights[v];
        }
      }
}

template <int TILES, int V>
INLINE Floats total(const Floats (&sum)[SETS][TILES][V], int tile, int v) {
  Floats all = sum[0][tile][v];
#pragma GCC unroll 4
  for (int set = 1; set < SETS; ++set) all += sum[set][tile][v];
  return all;
}

// `channels` is a multiple of LANES.
template <int TILES, int V>
void multiply(const float* patches, int64_t channels, const float* filters, float* products) {
  Floats sum[SETS][TILES][V] = {};
  multiply_channels<TILES, V>(patches, std::min(channels, CHANNELS_IN_A_ROW), filters, sum);
#pragma GCC unroll 32
  for (int tile = 0; tile < TILES; ++tile)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(products + (tile * V + v) * LANES, total<TILES, V>(sum, tile, v));
  for (int64_t c = CHANNELS_IN_A_ROW; c < channels; c += CHANNELS_IN_A_ROW) {
    Floats more[SETS][TILES][V] = {};
    multiply_channels<TILES, V>(patches + c * UNIT_TILES, std::min(channels - c, CHANNELS_IN_A_ROW),
                                filters + c * V * LANES, more);
#pragma GCC unroll 32
    for (int tile = 0; tile < TILES; ++tile)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* to = products + (tile * V + v) * LANES;
        store(to, load(to) + total<TILES, V>(more, tile, v));
      }
  }
}

using Multiply = void (*)(const float*, int64_t, const float*, float*);

template <int V, int... I>
constexpr Multiply multiply_of(int tiles, std::integer_sequence<int, I...>) {
  constexpr Multiply sizes[] = {multiply<I + 1, V>...};
  return sizes[tiles - 1];
}

template <int V>
void multiply_tiles(const float* patches, int64_t tiles, int64_t channels, const float* filters, float* products) {
  constexpr int MOST = TILE / V / SETS;
  for (int64_t done = 0; done < tiles;) {
    const int now = static_cast<int>(std::min<int64_t>(MOST, tiles - done));
    multiply_of<V>(now, std::make_integer_sequence<int, MOST>{})(patches + done * LANES, channels, filters,
                                                                 products + done * V * LANES);
    done += now;
  }
}
