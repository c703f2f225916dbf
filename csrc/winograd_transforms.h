// Winograd's transforms in one dimension: OUTPUTS cells of a convolution with three taps from PLACES products.
// In two dimensions one transform goes down the columns, another one across the rows.
//
// A transform evaluates polynomials at some points and at infinity. The points decide how much
// rounding costs; small ones keep it low, and with 1 and -1 among them a constant row of cells gives exactly
// equal outputs, as the convolution does: so ties before a pooling stay ties.

// F(2, 3), points 0, 1, -1.
struct Two {
  static constexpr int OUTPUTS = 2, PLACES = 4;

  static INLINE void patch(const Floats (&d)[PLACES], Floats (&to)[PLACES]) {
    to[0] = d[0] - d[2];
    to[1] = d[1] + d[2];
    to[2] = d[2] - d[1];
    to[3] = d[1] - d[3];
  }
  static INLINE void filter(const Floats (&g)[3], Floats (&to)[PLACES]) {
    to[0] = g[0];
    to[1] = ((g[0] + g[2]) + g[1]) * 0.5f;
    to[2] = ((g[0] + g[2]) - g[1]) * 0.5f;
    to[3] = g[2];
  }
  static INLINE void back(const Floats (&m)[PLACES], Floats (&to)[OUTPUTS]) {
    to[0] = (m[0] + m[1]) + m[2];
    to[1] = (m[1] - m[2]) - m[3];
  }
};

// F(4, 3), points 0, a, -a, b, -b: what all choices of a and b share.
template <class Points>
struct FourBy {
  static constexpr int OUTPUTS = 4, PLACES = 6;
  static constexpr float A = Points::A, B = Points::B, A2 = A * A, B2 = B * B;

  static INLINE void filter(const Floats (&g)[3], Floats (&to)[PLACES]) {
    constexpr float NONE = 1 / ((A * B) * (A * B)), ONE = 1 / (2 * A2 * (A2 - B2)), OTHER = 1 / (2 * B2 * (B2 - A2));
    to[0] = g[0] * NONE;
    to[1] = ((g[0] + A2 * g[2]) + A * g[1]) * ONE;
    to[2] = ((g[0] + A2 * g[2]) - A * g[1]) * ONE;
    to[3] = ((g[0] + B2 * g[2]) + B * g[1]) * OTHER;
    to[4] = ((g[0] + B2 * g[2]) - B * g[1]) * OTHER;
    to[5] = g[2];
  }
  static INLINE void back(const Floats (&m)[PLACES], Floats (&to)[OUTPUTS]) {
    const Floats sum = m[1] + m[2], difference = m[1] - m[2], other = m[3] + m[4], apart = m[3] - m[4];
    to[0] = m[0] + (sum + other);
    to[1] = A * difference + B * apart;
    to[2] = A2 * sum + B2 * other;
    to[3] = (A * A2 * difference + B * B2 * apart) + m[5];
  }
};

struct WithOne {
  static constexpr float A = 1, B = 1.75f;  // of all b, this one rounds least
};

// Points 0, 1, -1, b, -b: the differences are taken first, so that those of equal cells are zero.
struct FourWithOne : FourBy<WithOne> {
  static INLINE void patch(const Floats (&d)[PLACES], Floats (&to)[PLACES]) {
    const Floats even = d[4] - d[2], odd = d[3] - d[1];
    const Floats far = d[4] - B2 * d[2], farther = d[3] - B2 * d[1];
    to[0] = even + B2 * (d[0] - d[2]);
    to[1] = far + farther;
    to[2] = far - farther;
    to[3] = even + B * odd;
    to[4] = even - B * odd;
    to[5] = (d[5] - d[3]) - B2 * odd;
  }
};

struct Reciprocal {
  static constexpr float A = 2.0f / 3, B = 1.5f;
};

// Points 0, a, -a, 1/a, -1/a: least rounding, but no ties.
struct Four : FourBy<Reciprocal> {
  static INLINE void patch(const Floats (&d)[PLACES], Floats (&to)[PLACES]) {
    const Floats a_even = d[4] - B2 * d[2], a_odd = d[3] - B2 * d[1];
    const Floats b_even = d[4] - A2 * d[2], b_odd = d[3] - A2 * d[1];
    to[0] = d[0] + (d[4] - (A2 + B2) * d[2]);
    to[1] = a_even + A * a_odd;
    to[2] = a_even - A * a_odd;
    to[3] = b_even + B * b_odd;
    to[4] = b_even - B * b_odd;
    to[5] = d[1] + (d[5] - (A2 + B2) * d[3]);
  }
};
