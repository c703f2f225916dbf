// Vectors of VECTOR_BYTES, written with the compiler's own vector types: one text for all instruction sets.
// Included by a kernel's translation unit inside its anonymous namespace.

// For what must not become a call: its vectors live in registers, and a call would put them into memory. Left to
// itself the compiler stops inlining when a file has grown by so much.
#define INLINE inline __attribute__((always_inline))

constexpr int LANES = VECTOR_BYTES / 4;

typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

INLINE Floats load(const float* from) {
  Floats v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

INLINE void store(float* to, Floats v) { __builtin_memcpy(to, &v, sizeof v); }

// x - 0 and not 0 + x: minus zero stays minus zero.
INLINE Floats splat(float value) { return value - Floats{}; }

// Whether a comparison holds in any lane.
INLINE bool any(Ints holds) {
#if VECTOR_BYTES == 64
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(holds)) != 0;
#elif VECTOR_BYTES == 32
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(holds)) != 0;
#else
  int all = 0;
  for (int lane = 0; lane < LANES; ++lane) all |= holds[lane];
  return all != 0;
#endif
}

// The first `count` lanes only; what lies behind them belongs to somebody else.
INLINE void store_part(float* to, Floats v, int64_t count) {
  if (count >= LANES) return store(to, v);
  __builtin_memcpy(to, &v, count * sizeof(float));
}

INLINE Floats load_part(const float* from, int64_t count) {
  if (count >= LANES) return load(from);
  Floats v = {};
  __builtin_memcpy(&v, from, count * sizeof(float));
  return v;
}

// Bytes to integers and back, one instruction each; of the compiler's own conversion GCC makes dozens.
INLINE Ints widen(Bytes bytes) {
#if VECTOR_BYTES == 64
  return reinterpret_cast<Ints>(_mm512_cvtepu8_epi32(reinterpret_cast<__m128i>(bytes)));
#elif VECTOR_BYTES == 32
  __m128i low = {};
  __builtin_memcpy(&low, &bytes, sizeof bytes);
  return reinterpret_cast<Ints>(_mm256_cvtepu8_epi32(low));
#else
  return __builtin_convertvector(bytes, Ints);
#endif
}

INLINE Bytes narrowed(Ints v) {
#if VECTOR_BYTES == 64
  return reinterpret_cast<Bytes>(_mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(v)));
#else
  return __builtin_convertvector(v, Bytes);
#endif
}

// A copy of a length that is known only at run time is a call; whole vectors must not pay for it.
INLINE void store_bytes_part(uint8_t* to, Ints v, int64_t count) {
  const Bytes bytes = narrowed(v);
  if (count >= LANES)
    __builtin_memcpy(to, &bytes, LANES);
  else
    __builtin_memcpy(to, &bytes, count);
}

INLINE Ints load_bytes_part(const uint8_t* from, int64_t count) {
  Bytes bytes = {};
  if (count >= LANES)
    __builtin_memcpy(&bytes, from, LANES);
  else
    __builtin_memcpy(&bytes, from, count);
  return widen(bytes);
}
