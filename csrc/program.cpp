// A trained network as a list of layers with their filters packed once: prediction without torch's operators
// in between. Python builds and runs it through ctypes (src/convstage/stage/program.py).
#include <mutex>
#include <vector>

#include "dispatch.h"
#include "work.h"

namespace convstage {
namespace {

struct Layer {
  bool dense, relu;  // a stage always has its ReLU
  Shape s;
  const Forward* algorithm;
  Scratch packed;
  std::vector<float> weights_kfgc, bias_k;

  int64_t output() const { return dense ? s.k : s.qh * s.qw * s.k; }
};

// Memory of former runs, for the next: a fresh block would cost the system's clearing of every page.
class Memory {
 public:
  struct Block {
    size_t floats = 0;
    Scratch data;
  };

  Block take(size_t floats) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (auto block = free_.begin(); block != free_.end(); ++block)
        if (block->floats >= floats) {
          Block found = std::move(*block);
          free_.erase(block);
          return found;
        }
    }
    return {floats, scratch(floats)};
  }

  void give_back(Block block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.size() < 4) free_.push_back(std::move(block));
  }

 private:
  std::mutex mutex_;
  std::vector<Block> free_;
};

struct Program {
  const Kernels* kernels = &active();
  std::vector<Layer> layers;
  Memory memory;

  void add(Layer layer, const float* weights_kfgc, const float* bias_k) {
    Shape& s = layer.s;
    layer.algorithm = std::end(kernels->forward) - 1;
    if (!layer.dense)
      for (const Forward& algorithm : kernels->forward)
        if (algorithm.applies(s)) {
          layer.algorithm = &algorithm;
          break;
        }
    layer.packed = scratch(layer.algorithm->packed_floats(s));
    layer.algorithm->pack(s, weights_kfgc, layer.packed.get());
    // A stage whose numbers are not for its algorithm is done by another one, which packs the filters anew.
    if (!layer.dense) layer.weights_kfgc.assign(weights_kfgc, weights_kfgc + s.k * s.fh * s.fw * s.c);
    if (bias_k) layer.bias_k.assign(bias_k, bias_k + s.k);
    layers.push_back(std::move(layer));
  }

  void run_layer(const Layer& layer, int64_t n, const float* x, float* y) const {
    Shape s = layer.s;
    s.n = n;
    const float* bias = layer.bias_k.empty() ? nullptr : layer.bias_k.data();
    if (layer.dense) {
      parallel_for(kernels->dense.units(s), [&](int64_t begin, int64_t end) {
        const auto scratch_memory = scratch(kernels->dense.scratch(s));
        kernels->dense.run(s, begin, end, x, layer.packed.get(), bias, layer.relu, y, scratch_memory.get());
      });
      return;
    }
    const auto run = [&](const Forward& algorithm, int64_t begin, int64_t end, const float* packed, float* memory) {
      return algorithm.run(s, begin, end, x, packed, bias, y, nullptr, memory);
    };
    if (run_units(*layer.algorithm, s, layer.packed.get(), run)) return;
    // Image by image: the numbers of one must not depend on the infinities of another.
    s.n = 1;
    for (int64_t image = 0; image < n; ++image, x += s.h * s.w * s.c, y += layer.output())
      if (!run_units(*layer.algorithm, s, layer.packed.get(), run))
        run_first(kernels->forward, s, s, layer.weights_kfgc.data(), run);
  }

  void run(int64_t n, const float* x, float* y) {
    size_t most = 0;
    for (const Layer& layer : layers) most = std::max<size_t>(most, n * layer.output());
    Memory::Block one = memory.take(most), other = memory.take(most);
    for (size_t i = 0; i < layers.size(); ++i) {
      float* to = i + 1 == layers.size() ? y : (i % 2 ? one : other).data.get();
      run_layer(layers[i], n, x, to);
      x = to;
    }
    memory.give_back(std::move(one));
    memory.give_back(std::move(other));
  }
};

// No exception leaves the library: false means that memory or torch failed.
template <class F>
bool without_exceptions(const F& work) {
  try {
    work();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace
}  // namespace convstage

using convstage::Layer;
using convstage::Program;

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void* convstage_program_new() { return new (std::nothrow) Program; }

EXPORT void convstage_program_delete(void* program) { delete static_cast<Program*>(program); }

// `sizes`: h, w, c, k, fh, fw, sh, sw, top, left, oh, ow, ph, pw, psh, psw, qh, qw. The bias may be null.
EXPORT bool convstage_program_add_stage(void* program, const int64_t* sizes, const float* weights_kfgc,
                                        const float* bias_k) {
  return convstage::without_exceptions([&] {
    Layer layer{};
    const int64_t* from = sizes;
    for (int64_t convstage::Shape::*member :
         {&convstage::Shape::h, &convstage::Shape::w, &convstage::Shape::c, &convstage::Shape::k, &convstage::Shape::fh,
          &convstage::Shape::fw, &convstage::Shape::sh, &convstage::Shape::sw, &convstage::Shape::top,
          &convstage::Shape::left, &convstage::Shape::oh, &convstage::Shape::ow, &convstage::Shape::ph,
          &convstage::Shape::pw, &convstage::Shape::psh, &convstage::Shape::psw, &convstage::Shape::qh,
          &convstage::Shape::qw})
      layer.s.*member = *from++;
    static_cast<Program*>(program)->add(std::move(layer), weights_kfgc, bias_k);
  });
}

EXPORT bool convstage_program_add_dense(void* program, int64_t c, int64_t k, bool relu, const float* weights_kc,
                                        const float* bias_k) {
  return convstage::without_exceptions([&] {
    Layer layer{};
    layer.dense = true, layer.relu = relu;
    layer.s.c = c, layer.s.k = k, layer.s.fh = layer.s.fw = 1;
    static_cast<Program*>(program)->add(std::move(layer), weights_kc, bias_k);
  });
}

EXPORT bool convstage_program_run(void* program, int64_t n, const float* x_nhwc, float* y_nk) {
  return convstage::without_exceptions([&] { static_cast<Program*>(program)->run(n, x_nhwc, y_nk); });
}
