// The kernels without torch, on arrays that end where they should: for AddressSanitizer and UBSan, or with guard pages.
//
//   kernels_sanitize SHAPES SEED heap|end|begin
//
// heap: every array is a block of its own and of exactly its size, for a sanitizer to watch. end, begin: every array
// lies flush against a page that may not be touched, behind its last or before its first byte; no sanitizer needed,
// and no vector jumps over it. All instruction sets of the machine do the same stages, and must agree with the portable
// one.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "stage.h"

using namespace convstage;

namespace {

enum class Where { HEAP, END, BEGIN };
Where where;

// An array of exactly its size, filled with NaN (or 0xff), which a kernel must not take for anything.
template <class T>
class Array {
 public:
  explicit Array(size_t count, bool exact = true) : count_(count), bytes_(count * sizeof(T)) {
    if (where == Where::HEAP) {
      // Scratch memory begins at a cache line, as in work.h; torch's tensors may begin anywhere.
      start_ = exact ? std::malloc(bytes_ ? bytes_ : 1) : ::operator new[](bytes_ ? bytes_ : 1, std::align_val_t{64});
      aligned_ = !exact;
    } else {
      const size_t page = sysconf(_SC_PAGESIZE), body = (bytes_ + page - 1) / page * page;
      mapped_ = body + 2 * page;
      map_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      if (map_ == MAP_FAILED || (body && mprotect(map_ + page, body, PROT_READ | PROT_WRITE))) {
        std::puts("there is no memory");
        std::exit(2);
      }
      start_ = where == Where::BEGIN ? map_ + page : map_ + page + body - bytes_;
    }
    std::memset(start_, 0xff, bytes_);
  }
  ~Array() {
    if (map_)
      munmap(map_, mapped_);
    else if (aligned_)
      ::operator delete[](start_, std::align_val_t{64});
    else
      std::free(start_);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* get() const { return static_cast<T*>(start_); }
  T& operator[](size_t i) const { return get()[i]; }
  size_t size() const { return count_; }
  // What the kernel reads only, it may not write to.
  void freeze() const {
    if (map_) mprotect(map_ + sysconf(_SC_PAGESIZE), mapped_ - 2 * sysconf(_SC_PAGESIZE), PROT_READ);
  }

 private:
  size_t count_, bytes_, mapped_ = 0;
  void* start_ = nullptr;
  char* map_ = nullptr;
  bool aligned_ = false;
};

std::mt19937_64 engine;

int64_t draw(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); }

template <class T>
T one_of(std::initializer_list<T> values) {
  return values.begin()[draw(0, static_cast<int64_t>(values.size()) - 1)];
}

void fill(const Array<float>& array) {
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < array.size(); ++i) array[i] = normal(engine);
}

Shape random_shape() {
  for (;;) {
    Shape s{};
    s.n = draw(1, 3);
    s.c = one_of<int64_t>({1, 1, 2, 3, 3, 4, 5, 15, 16, 17, 31, 32, 33, 48, 65});
    s.k = one_of<int64_t>({1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 40, 64, 65});
    const int64_t side = one_of<int64_t>({1, 2, 3, 3, 3, 3, 5, 7, 11});
    s.fh = side, s.fw = draw(0, 3) ? side : one_of<int64_t>({1, 2, 4, 9});
    s.sh = one_of<int64_t>({1, 1, 1, 1, 2, 3}), s.sw = draw(0, 3) ? s.sh : one_of<int64_t>({1, 2, 4});
    s.ph = s.pw = one_of<int64_t>({1, 1, 2, 2, 2, 3}), s.psh = s.psw = s.ph;
    if (!draw(0, 2)) s.ph = draw(1, 4), s.pw = draw(1, 5), s.psh = draw(1, 5), s.psw = draw(1, 4);
    s.top = draw(0, s.fh), s.left = draw(0, s.fw);
    const int64_t bottom = draw(0, s.fh), right = draw(0, s.fw);
    s.h = draw(1, 24), s.w = draw(1, 40);
    const int64_t high = s.h + s.top + bottom - s.fh, wide = s.w + s.left + right - s.fw;
    if (high < 0 || wide < 0) continue;
    s.oh = high / s.sh + 1, s.ow = wide / s.sw + 1;
    if (s.oh < s.ph || s.ow < s.pw) continue;
    s.qh = (s.oh - s.ph) / s.psh + 1, s.qw = (s.ow - s.pw) / s.psw + 1;
    if (s.n * s.oh * s.ow * s.k * s.fh * s.fw * s.c <= 1000000) return s;
  }
}

struct Problem {
  Shape s = random_shape();
  Array<float> x{size_t(s.n * s.h * s.w * s.c)}, weight{size_t(s.k * s.fh * s.fw * s.c)}, bias{size_t(s.k)};
  Array<float> gradient{size_t(s.n * s.qh * s.qw * s.k)};
  bool has_bias = draw(0, 3) > 0;

  Problem() {
    for (const auto* array : {&x, &weight, &bias, &gradient}) fill(*array);
    // Sometimes a number that Winograd's algorithm has to leave to the direct one.
    if (!draw(0, 19)) x[draw(0, x.size() - 1)] = one_of<float>({INFINITY, -INFINITY, NAN, 3e38f});
    for (const auto* array : {&x, &weight, &bias, &gradient}) array->freeze();
  }
};

struct Results {
  std::vector<float> y, dw, db, dx, dense, connected;
  std::vector<uint8_t> winner;
};

template <class T>
std::vector<T> copy(const Array<T>& array) {
  return std::vector<T>(array.get(), array.get() + array.size());
}

// Units are done in pieces of random lengths, each with scratch memory of its own, as threads would do them.
template <class Run>
bool in_pieces(int64_t units, size_t scratch, const Run& run) {
  bool done = true;
  for (int64_t begin = 0; begin < units;) {
    const int64_t end = draw(begin + 1, units);
    const Array<float> memory(scratch, false);
    if (!run(begin, end, memory.get())) done = false;
    begin = end;
  }
  return done;
}

template <class Algorithms, class Run>
void with_all(const Algorithms& algorithms, const Shape& s, const Shape& packed_for, const Array<float>& weights,
              const Run& run) {
  for (const auto& algorithm : algorithms) {
    if (!algorithm.applies(s)) continue;
    const Array<float> packed(algorithm.packed_floats(packed_for), false);
    algorithm.pack(packed_for, weights.get(), packed.get());
    packed.freeze();
    const auto piece = [&](int64_t begin, int64_t end, float* memory) {
      return run(algorithm, begin, end, packed.get(), memory);
    };
    const bool done = in_pieces(algorithm.units(s), algorithm.scratch(s), piece);
    if (done) return;
  }
  std::puts("no algorithm has done the work");
  std::exit(1);
}

void forward(const Kernels& kernels, const Problem& p, bool record, Results& r) {
  const Shape& s = p.s;
  const Array<float> y(s.n * s.qh * s.qw * s.k);
  const Array<uint8_t> winner(record ? y.size() : 0);
  with_all(kernels.forward, s, s, p.weight,
           [&](const Forward& algorithm, int64_t begin, int64_t end, const float* packed, float* memory) {
             return algorithm.run(s, begin, end, p.x.get(), packed, p.has_bias ? p.bias.get() : nullptr, y.get(),
                                  record ? winner.get() : nullptr, memory);
           });
  if (record)
    r.y = copy(y), r.winner = copy(winner);
  else if (std::memcmp(r.y.data(), y.get(), y.size() * sizeof(float)))
    std::puts("with winners and without, the values differ"), std::exit(1);
}

// Winners as a forward pass has them, or any bytes: those may not lead a kernel out of its arrays either.
void backward(const Kernels& kernels, const Problem& p, const std::vector<uint8_t>& winners, Results& r) {
  const Shape& s = p.s;
  const Array<uint8_t> winner(winners.size());
  std::memcpy(winner.get(), winners.data(), winners.size());
  winner.freeze();
  const int64_t units = kernels.weight_units(s), sums = s.fh * kernels.weight_line(s);
  const Array<float> partial(units * s.k * sums), bias(units * s.k);
  in_pieces(units, kernels.weight_scratch(s), [&](int64_t begin, int64_t end, float* memory) {
    kernels.weight_gradient(s, begin, end, p.x.get(), p.gradient.get(), winner.get(), partial.get(), bias.get(),
                            memory);
    return true;
  });
  r.dw.assign(s.k * s.fh * s.fw * s.c, 0);
  r.db.assign(s.k, 0);
  for (int64_t unit = 0; unit < units; ++unit)
    for (int64_t k = 0; k < s.k; ++k) {
      r.db[k] += bias[unit * s.k + k];
      for (int64_t row = 0; row < s.fh; ++row)
        for (int64_t i = 0; i < s.fw * s.c; ++i)
          r.dw[(k * s.fh + row) * s.fw * s.c + i] +=
              partial[(unit * s.k + k) * sums + row * kernels.weight_line(s) + i];
    }
  const Array<float> dense(s.n * s.oh * s.ow * s.k);
  kernels.expand(s, 0, s.n * s.oh, p.gradient.get(), winner.get(), dense.get());
  r.dense = copy(dense);
  if (s.sh != 1 || s.sw != 1) return;
  const Array<float> turned(p.weight.size()), dx(p.x.size());
  for (int64_t k = 0; k < s.k; ++k)
    for (int64_t tap = 0; tap < s.fh * s.fw; ++tap)
      for (int64_t c = 0; c < s.c; ++c)
        turned[(c * s.fh * s.fw + s.fh * s.fw - 1 - tap) * s.k + k] = p.weight[(k * s.fh * s.fw + tap) * s.c + c];
  Shape exchanged = s;
  exchanged.k = s.c, exchanged.c = s.k;
  with_all(kernels.input_gradient, s, exchanged, turned,
           [&](const InputGradient& algorithm, int64_t begin, int64_t end, const float* packed, float* memory) {
             return algorithm.run(s, begin, end, p.gradient.get(), winner.get(), packed, dx.get(), memory);
           });
  r.dx = copy(dx);
}

// A fully connected layer of k units on the rows of x.
void connected(const Kernels& kernels, const Problem& p, Results& r) {
  Shape s{};
  s.n = draw(1, p.s.n * p.s.h * p.s.w), s.c = p.s.c, s.k = p.s.k, s.fh = s.fw = 1;
  const Forward& packing = std::end(kernels.forward)[-1];
  const Array<float> weight(s.k * s.c), packed(packing.packed_floats(s), false), y(s.n * s.k);
  std::memcpy(weight.get(), p.weight.get(), weight.size() * sizeof(float));
  packing.pack(s, weight.get(), packed.get());
  in_pieces(kernels.dense.units(s), kernels.dense.scratch(s), [&](int64_t begin, int64_t end, float* memory) {
    kernels.dense.run(s, begin, end, p.x.get(), packed.get(), p.has_bias ? p.bias.get() : nullptr, p.s.n % 2, y.get(),
                      memory);
    return true;
  });
  r.connected = copy(y);
}

// Whether two instruction sets agree; where one has a NaN or infinity so has the other, unless it is `free` to: zero
// times infinity is a part of some sums for the weights, and is left out of others (docs/kernel.md).
bool agree(const std::vector<float>& one, const std::vector<float>& other, const char* what, bool free = false) {
  double size = 1;
  for (const float value : one)
    if (std::isfinite(value)) size = std::fmax(size, std::fabs(value));
  for (size_t i = 0; i < one.size(); ++i) {
    const bool same = std::isfinite(one[i]) ? std::fabs(double(one[i]) - other[i]) <= 1e-4 * size
                                            : std::isnan(one[i]) ? std::isnan(other[i]) : one[i] == other[i];
    if (free && !(std::isfinite(one[i]) && std::isfinite(other[i]))) continue;
    // A sum that comes close to the largest number may overflow with one order of its terms only.
    if (!same && size < 1e36) {
      std::printf("%s: %g and %g at %zu\n", what, one[i], other[i], i);
      return false;
    }
  }
  return true;
}

void print(const Shape& s) {
  const int64_t all[] = {s.n,   s.h,    s.w,  s.c,  s.k,  s.fh, s.fw,  s.sh, s.sw,
                         s.top, s.left, s.oh, s.ow, s.ph, s.pw, s.psh, s.psw};
  for (const int64_t value : all) std::printf("%lld ", static_cast<long long>(value));
  std::puts("");
}

std::vector<const Kernels*> instruction_sets() {
  std::vector<const Kernels*> found{&SCALAR};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&AVX2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    found.push_back(&AVX512);
#endif
  return found;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return std::puts("kernels_sanitize SHAPES SEED heap|end|begin"), 2;
  const std::string place = words[3];
  where = place == "heap" ? Where::HEAP : place == "end" ? Where::END : Where::BEGIN;
  const auto sets = instruction_sets();
  for (int64_t shape = 0; shape < std::atoll(words[1]); ++shape) {
    engine.seed(std::atoll(words[2]) * 1000003 + shape);
    const Problem problem;
    std::vector<uint8_t> any(problem.gradient.size());
    for (auto& byte : any) byte = static_cast<uint8_t>(draw(0, 255));
    std::printf("%lld: ", static_cast<long long>(shape));
    print(problem.s);
    std::fflush(stdout);
    Results portable;
    for (const Kernels* kernels : sets) {
      const auto state = engine;
      Results r;
      forward(*kernels, problem, true, r);
      forward(*kernels, problem, false, r);
      if (kernels == &SCALAR) portable.winner = r.winner;
      backward(*kernels, problem, any, r);
      backward(*kernels, problem, portable.winner, r);
      connected(*kernels, problem, r);
      engine = state;
      if (kernels == &SCALAR) portable = r;
      const bool right = agree(portable.y, r.y, "values") && agree(portable.dw, r.dw, "gradient of the weights", true) &&
                         agree(portable.db, r.db, "gradient of the biases") &&
                         agree(portable.dx, r.dx, "gradient of the input") &&
                         agree(portable.dense, r.dense, "gradient before the pooling") &&
                         agree(portable.connected, r.connected, "fully connected");
      if (!right) return std::printf("%s differs from scalar\n", kernels->name), 1;
    }
  }
  std::printf("done with");
  for (const Kernels* kernels : sets) std::printf(" %s", kernels->name);
  std::puts("");
  return 0;
}
