// Threads, scratch memory, and the choice of an algorithm. Threads are torch's.
#pragma once

#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "stage.h"
#include "torch_stable.h"

namespace convstage {
namespace {

inline void check(bool holds, const char* message) {
  if (!holds) throw std::runtime_error(std::string("convstage: ") + message);
}

inline void call(AOTITorchError error) { check(error == 0, "a call into torch failed"); }

template <class F>
void parallel_for(int64_t count, const F& work) {
  call(torch_parallel_for(
      0, count, 1, [](int64_t begin, int64_t end, void* ctx) { (*static_cast<const F*>(ctx))(begin, end); },
      const_cast<F*>(&work)));
}

// Scratch memory begins at a cache line: a vector that straddles two costs twice.
constexpr std::align_val_t LINE{64};

struct FreeScratch {
  void operator()(float* memory) const { ::operator delete[](memory, LINE); }
};

using Scratch = std::unique_ptr<float[], FreeScratch>;

inline Scratch scratch(size_t floats) { return Scratch(static_cast<float*>(::operator new[](floats * sizeof(float), LINE))); }

// Runs all units of an algorithm; returns whether it was for these numbers.
template <class Algorithm, class Run>
bool run_units(const Algorithm& algorithm, const Shape& s, const float* packed, const Run& run) {
  std::atomic<bool> done{true};
  parallel_for(algorithm.units(s), [&](int64_t begin, int64_t end) {
    const auto memory = scratch(algorithm.scratch(s));
    if (!run(algorithm, begin, end, packed, memory.get())) done = false;
  });
  return done;
}

// Runs the first algorithm that is for this shape and these numbers. `packed_for` is the shape as the packing sees it.
template <class Algorithms, class Run>
void run_first(const Algorithms& algorithms, const Shape& s, const Shape& packed_for, const float* w_kfgc,
               const Run& run) {
  for (const auto& algorithm : algorithms) {
    if (!algorithm.applies(s)) continue;
    const auto packed = scratch(algorithm.packed_floats(packed_for));
    algorithm.pack(packed_for, w_kfgc, packed.get());
    if (run_units(algorithm, s, packed.get(), run)) return;
  }
}

}  // namespace
}  // namespace convstage
