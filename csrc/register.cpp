// The operators as torch sees them: tensors in, checks, tensors out.
#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "dispatch.h"
#include "tensors.h"

namespace convstage {
namespace {

constexpr uint64_t BUILT_FOR = (uint64_t{2} << 56) | (uint64_t{10} << 48);  // torch 2.10

void check_lengths(std::initializer_list<size_t> pairs, size_t four = 4) {
  const bool right = std::all_of(pairs.begin(), pairs.end(), [](size_t length) { return length == 2; });
  check(right && four == 4, "stride, pool and pool_stride are two numbers, padding and sizes are four");
}

// The windows of a stage as they were given. All arguments are taken before anything is checked: an error then
// leaves nothing on the stack that nobody owns.
struct Windows {
  explicit Windows(Arguments& arguments)
      : stride(arguments.ints()), padding(arguments.ints()), pool(arguments.ints()), pool_stride(arguments.ints()) {}
  std::vector<int64_t> stride, padding, pool, pool_stride;
};

// Completes the shape, which has a map of oh × ow cells, with the sizes after the pooling.
void complete_pooling(const std::vector<int64_t>& pool, const std::vector<int64_t>& pool_stride, Shape& s) {
  s.ph = pool[0], s.pw = pool[1];
  check(s.ph > 0 && s.pw > 0 && pool_stride[0] > 0 && pool_stride[1] > 0, "sizes and strides are at least 1");
  check(s.ph < DEAD && s.pw < DEAD && s.ph * s.pw < DEAD, "a pooling window has at most 254 cells");
  check(s.oh >= s.ph && s.ow >= s.pw, "the pooling window is larger than the map");
  // A step beyond the map is never taken; cut short, it cannot overflow either.
  s.psh = std::min(pool_stride[0], s.oh), s.psw = std::min(pool_stride[1], s.ow);
  s.qh = (s.oh - s.ph) / s.psh + 1, s.qw = (s.ow - s.pw) / s.psw + 1;
}

// Completes the shape with its windows, and with the maps' sizes.
void complete(const Windows& windows, Shape& s) {
  const auto &stride = windows.stride, &padding = windows.padding;
  check_lengths({stride.size(), windows.pool.size(), windows.pool_stride.size()}, padding.size());
  check(stride[0] > 0 && stride[1] > 0, "sizes and strides are at least 1");
  check(s.fh > 0 && s.fw > 0 && s.c > 0, "a filter has at least one cell and one channel");
  check(s.h > 0 && s.w > 0, "a map has at least one cell");
  check_sizes({s.n, s.h, s.w, s.c});
  check_sizes({s.k, s.fh, s.fw, s.c});
  for (const int64_t side : padding) {
    check(side >= 0, "padding is at least 0");
    check_sizes({side});
  }
  const int64_t high = s.h + padding[0] + padding[1], wide = s.w + padding[2] + padding[3];
  check_sizes({s.n, high, wide, s.c});
  check(high >= s.fh && wide >= s.fw, "the filter is larger than the padded map");
  s.top = padding[0], s.left = padding[2];
  s.sh = std::min(stride[0], high), s.sw = std::min(stride[1], wide);
  s.oh = (high - s.fh) / s.sh + 1, s.ow = (wide - s.fw) / s.sw + 1;
  check_sizes({s.n, s.oh, s.ow, s.k});
  complete_pooling(windows.pool, windows.pool_stride, s);
}

// (x, weight, bias?, stride, padding, pool, pool_stride, record) -> (y, winner)
void forward(StableIValue* stack, uint64_t, uint64_t) {
  Arguments arguments(stack);
  const Tensor x_tensor = arguments.tensor(), weight_tensor = arguments.tensor();
  const auto bias_tensor = arguments.optional_tensor();
  const Windows windows(arguments);
  const bool record = arguments.boolean();
  const Nhwc<float> x(x_tensor, aoti_torch_dtype_float32()), weight(weight_tensor, aoti_torch_dtype_float32());
  Shape s{};
  s.n = x.n, s.h = x.h, s.w = x.w, s.c = x.c, s.k = weight.n, s.fh = weight.h, s.fw = weight.w;
  complete(windows, s);
  check(weight.c == s.c, "filters and input have different numbers of channels");
  std::vector<float> bias;
  if (bias_tensor) {
    check(bias_tensor->dim() == 1 && bias_tensor->sizes()[0] == s.k, "bias is one number per filter");
    check(bias_tensor->dtype() == aoti_torch_dtype_float32(), "bias is float32");
    const float* from = bias_tensor->read<float>();
    for (int64_t k = 0; k < s.k; ++k) bias.push_back(from[k * bias_tensor->strides()[0]]);
  }
  Tensor y = Tensor::make(s.n, s.qh, s.qw, s.k, aoti_torch_dtype_float32());
  Tensor winner = Tensor::make(record ? s.n : 0, s.qh, s.qw, s.k, aoti_torch_dtype_uint8());
  if (s.n > 0 && s.k > 0) {
    float* y_data = y.write<float>();
    uint8_t* winner_data = record ? winner.write<uint8_t>() : nullptr;
    const float* bias_data = bias_tensor ? bias.data() : nullptr;
    run_first(active().forward, s, s, weight.data,
              [&](const Forward& algorithm, int64_t begin, int64_t end, const float* packed, float* memory) {
                return algorithm.run(s, begin, end, x.data, packed, bias_data, y_data, winner_data, memory);
              });
  }
  stack[0] = y.release();
  stack[1] = winner.release();
}

// (gradient, winner, x, filter_size, stride, padding, pool, pool_stride) -> (weight gradient, bias gradient)
void weight_backward(StableIValue* stack, uint64_t, uint64_t) {
  Arguments arguments(stack);
  const Tensor gradient_tensor = arguments.tensor(), winner_tensor = arguments.tensor(), x_tensor = arguments.tensor();
  const auto filter = arguments.ints();
  const Windows windows(arguments);
  check_lengths({filter.size()});
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32()), x(x_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  Shape s{};
  s.n = x.n, s.h = x.h, s.w = x.w, s.c = x.c, s.k = gradient.c, s.fh = filter[0], s.fw = filter[1];
  complete(windows, s);
  check(gradient.n == s.n && gradient.h == s.qh && gradient.w == s.qw, "gradient and input do not belong together");
  check(winner.n == s.n && winner.h == s.qh && winner.w == s.qw && winner.c == s.k, "winners do not belong to it");
  Tensor weight = Tensor::make(s.k, s.fh, s.fw, s.c, aoti_torch_dtype_float32()), bias = Tensor::make(s.k);
  float *weight_data = weight.write<float>(), *bias_data = bias.write<float>();
  // Places in a strip of input rows are counted in 32 bits.
  check(s.k == 0 || active().weight_scratch(s) <= INT32_MAX, "the map's rows are too long for the weights' gradient");
  const int64_t units = s.n > 0 && s.k > 0 ? active().weight_units(s) : 0;
  const int64_t line = active().weight_line(s), filter_floats = s.fh * line;
  const auto partial = scratch(units * s.k * filter_floats), partial_bias = scratch(units * s.k);
  parallel_for(units, [&](int64_t begin, int64_t end) {
    const auto memory = scratch(active().weight_scratch(s));
    active().weight_gradient(s, begin, end, x.data, gradient.data, winner.data, partial.get(), partial_bias.get(),
                             memory.get());
  });
  // Always in the same order, whichever thread computed them.
  parallel_for(s.k, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      float total = 0;
      for (int64_t unit = 0; unit < units; ++unit) total += partial_bias[unit * s.k + k];
      bias_data[k] = total;
      for (int64_t dy = 0; dy < s.fh; ++dy) {
        float* to = weight_data + (k * s.fh + dy) * s.fw * s.c;
        for (int64_t i = 0; i < s.fw * s.c; ++i) to[i] = 0;
        for (int64_t unit = 0; unit < units; ++unit) {
          const float* from = partial.get() + (unit * s.k + k) * filter_floats + dy * line;
          for (int64_t i = 0; i < s.fw * s.c; ++i) to[i] += from[i];
        }
      }
    }
  });
  stack[0] = weight.release();
  stack[1] = bias.release();
}

// (gradient, winner, weight, input_size, stride, padding, pool, pool_stride) -> input gradient
void input_backward(StableIValue* stack, uint64_t, uint64_t) {
  Arguments arguments(stack);
  const Tensor gradient_tensor = arguments.tensor(), winner_tensor = arguments.tensor();
  const Tensor weight_tensor = arguments.tensor();
  const auto size = arguments.ints();
  const Windows windows(arguments);
  check_lengths({}, size.size());
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  const Nhwc<float> weight(weight_tensor, aoti_torch_dtype_float32());
  Shape s{};
  s.n = size[0], s.c = size[1], s.h = size[2], s.w = size[3], s.k = weight.n, s.fh = weight.h, s.fw = weight.w;
  complete(windows, s);
  check(weight.c == s.c && gradient.c == s.k, "gradient, filters and input do not belong together");
  check(gradient.n == s.n && gradient.h == s.qh && gradient.w == s.qw, "gradient and input do not belong together");
  check(winner.n == s.n && winner.h == s.qh && winner.w == s.qw && winner.c == s.k, "winners do not belong to it");
  check(s.sh == 1 && s.sw == 1, "the input gradient is for stride 1");
  Tensor dx = Tensor::make(s.n, s.h, s.w, s.c, aoti_torch_dtype_float32());
  if (s.n > 0) {
    // The filters turned round, input and output channels exchanged: (c, fh, fw, k).
    const auto turned = scratch(s.c * s.fh * s.fw * s.k);
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t tap = 0; tap < s.fh * s.fw; ++tap)
        for (int64_t c = 0; c < s.c; ++c)
          turned[(c * s.fh * s.fw + s.fh * s.fw - 1 - tap) * s.k + k] = weight.data[(k * s.fh * s.fw + tap) * s.c + c];
    Shape exchanged = s;
    exchanged.k = s.c, exchanged.c = s.k;
    float* dx_data = dx.write<float>();
    run_first(active().input_gradient, s, exchanged, turned.get(),
              [&](const InputGradient& algorithm, int64_t begin, int64_t end, const float* packed, float* memory) {
                return algorithm.run(s, begin, end, gradient.data, winner.data, packed, dx_data, memory);
              });
  }
  stack[0] = dx.release();
}

// (gradient, winner, size before the pooling, pool, pool_stride) -> the gradient before the pooling
void unpool(StableIValue* stack, uint64_t, uint64_t) {
  Arguments arguments(stack);
  const Tensor gradient_tensor = arguments.tensor(), winner_tensor = arguments.tensor();
  const auto size = arguments.ints(), pool = arguments.ints(), pool_stride = arguments.ints();
  check_lengths({size.size(), pool.size(), pool_stride.size()});
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  Shape s{};
  s.n = gradient.n, s.k = gradient.c, s.oh = size[0], s.ow = size[1];
  check_sizes({s.n, s.oh, s.ow, s.k});
  complete_pooling(pool, pool_stride, s);
  check(gradient.h == s.qh && gradient.w == s.qw, "gradient and map do not belong together");
  check(winner.n == s.n && winner.h == s.qh && winner.w == s.qw && winner.c == s.k, "winners do not belong to it");
  Tensor dense = Tensor::make(s.n, s.oh, s.ow, s.k, aoti_torch_dtype_float32());
  float* dense_data = dense.write<float>();
  parallel_for(s.k > 0 ? s.n * s.oh : 0, [&](int64_t begin, int64_t end) {
    active().expand(s, begin, end, gradient.data, winner.data, dense_data);
  });
  stack[0] = dense.release();
}

TorchLibraryHandle library, implementations;

__attribute__((constructor)) void register_operators() {
  const char* windows = "SymInt[2] stride, SymInt[4] padding, SymInt[2] pool, SymInt[2] pool_stride";
  const std::string w = windows;
  call(aoti_torch_library_init_fragment("convstage", __FILE__, __LINE__, &library));
  const struct {
    std::string name, schema;
    void (*function)(StableIValue*, uint64_t, uint64_t);
  } operators[] = {
      {"conv_relu_pool", "(Tensor x, Tensor weight, Tensor? bias, " + w + ", bool record) -> (Tensor, Tensor)", forward},
      {"conv_relu_pool_weight_backward",
       "(Tensor gradient, Tensor winner, Tensor x, SymInt[2] filter, " + w + ") -> (Tensor, Tensor)", weight_backward},
      {"conv_relu_pool_input_backward",
       "(Tensor gradient, Tensor winner, Tensor weight, SymInt[4] size, " + w + ") -> Tensor", input_backward},
      {"conv_relu_pool_unpool",
       "(Tensor gradient, Tensor winner, SymInt[2] size, SymInt[2] pool, SymInt[2] pool_stride) -> Tensor", unpool},
  };
  call(aoti_torch_library_init_impl("convstage", "CPU", __FILE__, __LINE__, &implementations));
  for (const auto& op : operators) {
    call(aoti_torch_library_def(library, (op.name + op.schema).c_str()));
    call(torch_library_impl(implementations, op.name.c_str(), op.function, BUILT_FOR));
  }
}

}  // namespace
}  // namespace convstage

// Whether large results stay with the process when they are freed; returns whether that is possible with this torch.
extern "C" __attribute__((visibility("default"))) bool convstage_keep_blocks(bool keep) {
  convstage::Blocks::shared().keep(keep);
  return torch_from_blob != nullptr;
}
