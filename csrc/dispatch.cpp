// Which instruction set runs: the widest that processor and operating system have, or the one asked for.
#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace convstage {
namespace {

// The widest first. The compiler's test asks the operating system, too, whether it saves the registers.
bool supported(const Kernels& kernels) {
#if defined(__x86_64__) || defined(_M_X64)
  if (&kernels == &AVX512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (&kernels == &AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return &kernels == &SCALAR;
}

constexpr const Kernels* ALL[] = {
#if defined(__x86_64__) || defined(_M_X64)
    &AVX512,
    &AVX2,
#endif
    &SCALAR,
};

const Kernels* find(const char* name) {
  for (const Kernels* kernels : ALL)
    if (supported(*kernels) && (!name || !std::strcmp(name, kernels->name))) return kernels;
  return nullptr;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& active() {
  const Kernels* kernels = chosen.load(std::memory_order_acquire);
  if (!kernels) {
    kernels = find(nullptr);
    chosen.store(kernels, std::memory_order_release);
  }
  return *kernels;
}

}  // namespace convstage

// For Python's ctypes: the names, widest first; which runs; and to choose another.
#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT const char* convstage_instruction_set() { return convstage::active().name; }

EXPORT const char* convstage_instruction_set_at(int32_t index) {
  for (const convstage::Kernels* kernels : convstage::ALL)
    if (convstage::supported(*kernels) && index-- == 0) return kernels->name;
  return nullptr;
}

EXPORT int32_t convstage_choose(const char* name) {
  const convstage::Kernels* kernels = convstage::find(name);
  if (kernels) convstage::chosen.store(kernels, std::memory_order_release);
  return kernels != nullptr;
}
