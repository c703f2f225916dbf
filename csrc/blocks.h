// Large results in blocks that come back: mapped once, kept while they are free, given out again.
//
// A training step asks for the same few sizes at every step. On the C library's heap, blocks
// of 1 to 50 MB among small ones leave gaps that nothing fits in later (60 to 120 MB of them
// in the network that the benchmarks call P3x); on their own, each finds its old place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define CONVSTAGE_MAPS 1
#endif

namespace convstage {
namespace {

class Blocks {
 public:
  // Smaller results are left to torch.
  static constexpr size_t SMALLEST = size_t{1} << 20;

  static Blocks& shared() {
    static Blocks* blocks = new Blocks;  // never destroyed: tensors may outlive all else
    return *blocks;
  }

  void keep(bool kept) {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_ = kept;
    if (!kept) release(now_);
  }

  // Returns null where nothing is kept, or there is no memory: torch allocates then, and says what is wrong.
  void* take(size_t bytes) {
#ifdef CONVSTAGE_MAPS
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!kept_ || bytes < SMALLEST) return nullptr;
    ++now_;
    size_t best = free_.size();
    for (size_t i = 0; i < free_.size(); ++i) {
      const bool fits = free_[i].bytes >= bytes && free_[i].bytes - bytes <= bytes / 4;
      if (fits && (best == free_.size() || free_[i].bytes < free_[best].bytes)) best = i;
    }
    Block block{nullptr, bytes, 0};
    if (best < free_.size()) {
      block = free_[best];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
    } else {
      if (now_ > PATIENCE) release(now_ - PATIENCE);
      block.start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (block.start == MAP_FAILED) return nullptr;
    }
    taken_.push_back(block);
    return block.start;
#else
    (void)bytes;
    return nullptr;
#endif
  }

  void give(void* start) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto block = taken_.begin(); block != taken_.end(); ++block) {
      if (block->start != start) continue;
      block->since = now_;
      free_.push_back(*block);
      taken_.erase(block);
      break;
    }
    if (!kept_) release(now_);
  }

 private:
  struct Block {
    void* start;
    size_t bytes;
    uint64_t since;  // the request at which it became free
  };

  // A block that so many requests have passed over is not of this step: it goes back when others are mapped.
  static constexpr uint64_t PATIENCE = 64;

  // Unmaps the blocks that became free at request `last` or before.
  void release(uint64_t last) {
    std::vector<Block> left;
    for (const Block& block : free_) {
      if (block.since > last) {
        left.push_back(block);
        continue;
      }
#ifdef CONVSTAGE_MAPS
      munmap(block.start, block.bytes);
#endif
    }
    free_.swap(left);
  }

  std::mutex mutex_;
  std::vector<Block> free_, taken_;
  uint64_t now_ = 0;
  bool kept_ = false;
};

}  // namespace
}  // namespace convstage
