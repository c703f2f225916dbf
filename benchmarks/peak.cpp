// What the processor can do: multiply-adds in registers, and copying memory, all cores at once.
//     c++ -O3 -march=native -pthread peak.cpp -o peak && ./peak    prints GFLOP/s and GB/s
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
typedef float Floats __attribute__((vector_size(LANES * 4)));
constexpr int CHAINS = 12;  // a multiply-add takes four cycles, and two may start in each
constexpr long ROUNDS = 20'000'000;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class Work>
double seconds(int threads, Work work) {
  std::vector<std::thread> running;
  const double began = now();
  for (int i = 0; i < threads; ++i) running.emplace_back(work, i);
  for (auto& thread : running) thread.join();
  return now() - began;
}

volatile float sink;

void multiply_add(int) {
  Floats sum[CHAINS];
  for (int i = 0; i < CHAINS; ++i) sum[i] = Floats{} + static_cast<float>(i);
  volatile float almost_one = 0.999999f;
  const Floats a = almost_one - Floats{}, b = sink - Floats{};
  for (long round = 0; round < ROUNDS; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; ++i) sum[i] = sum[i] * a + b;
  Floats total = {};
  for (const Floats& part : sum) total += part;
  sink = total[0];
}

int main() {
  const int threads = static_cast<int>(std::thread::hardware_concurrency());
  double flops = 0, bytes = 0;
  constexpr size_t BLOCK = size_t{128} << 20;
  std::vector<std::vector<char>> from(threads, std::vector<char>(BLOCK, 1)), to(threads, std::vector<char>(BLOCK));
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double work = seconds(threads, multiply_add);
    flops = std::max(flops, 2.0 * LANES * CHAINS * ROUNDS * threads / work);
    const double copying = seconds(threads, [&](int i) { std::memcpy(to[i].data(), from[i].data(), BLOCK); });
    bytes = std::max(bytes, 2.0 * BLOCK * threads / copying);
  }
  std::printf("%.1f %.1f\n", flops / 1e9, bytes / 1e9);
}
