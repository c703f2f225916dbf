// The operators as torch sees them: tensors in, checks, tensors out.
#include <memory>
#include <string>
#include <vector>

#include "blocks.h"
#include "dispatch.h"
#include "work.h"

namespace convstage {
namespace {

constexpr uint64_t BUILT_FOR = (uint64_t{2} << 56) | (uint64_t{10} << 48);  // torch 2.10

// An owned reference to a tensor.
class Tensor {
 public:
  explicit Tensor(AtenTensorHandle handle) : handle_(handle, aoti_torch_delete_tensor_object) {}

  // A new one in channels-last: sizes are (n, h, w, c), torch sees (n, c, h, w).
  static Tensor make(int64_t n, int64_t h, int64_t w, int64_t c, int32_t dtype) {
    const int64_t sizes[] = {n, c, h, w}, strides[] = {h * w * c, 1, w * c, c};
    AtenTensorHandle handle;
    const size_t cell = dtype == aoti_torch_dtype_float32() ? sizeof(float) : 1;
    if (void* block = torch_from_blob ? Blocks::shared().take(n * h * w * c * cell) : nullptr) {
      const auto give_back = [](void* start, void*) { Blocks::shared().give(start); };
      const AOTITorchError error = torch_from_blob(block, 4, sizes, strides, 0, dtype, aoti_torch_device_type_cpu(), -1,
                                                   &handle, aoti_torch_layout_strided(), nullptr, 0, give_back, nullptr);
      if (error != 0) Blocks::shared().give(block);
      call(error);
      return Tensor(handle);
    }
    call(aoti_torch_empty_strided(4, sizes, strides, dtype, aoti_torch_device_type_cpu(), 0, &handle));
    return Tensor(handle);
  }

  static Tensor make(int64_t length) {
    const int64_t stride = 1;
    AtenTensorHandle handle;
    call(aoti_torch_empty_strided(1, &length, &stride, aoti_torch_dtype_float32(), aoti_torch_device_type_cpu(), 0,
                                  &handle));
    return Tensor(handle);
  }

  int64_t dim() const {
    int64_t dim;
    call(aoti_torch_get_dim(handle_.get(), &dim));
    return dim;
  }

  const int64_t* sizes() const {
    int64_t* sizes;
    call(aoti_torch_get_sizes(handle_.get(), &sizes));
    return sizes;
  }

  const int64_t* strides() const {
    int64_t* strides;
    call(aoti_torch_get_strides(handle_.get(), &strides));
    return strides;
  }

  int32_t dtype() const {
    int32_t dtype;
    call(aoti_torch_get_dtype(handle_.get(), &dtype));
    return dtype;
  }

  template <class T>
  const T* read() const {
    const void* data;
    call(torch_get_const_data_ptr(handle_.get(), &data));
    return static_cast<const T*>(data);
  }

  template <class T>
  T* write() const {
    void* data;
    call(torch_get_mutable_data_ptr(handle_.get(), &data));
    return static_cast<T*>(data);
  }

  StableIValue release() { return reinterpret_cast<StableIValue>(handle_.release()); }

 private:
  std::unique_ptr<AtenTensorOpaque, AOTITorchError (*)(AtenTensorHandle)> handle_;
};

// A tensor (n, c, h, w) of any strides as an array n × h × w × c: the tensor's own memory if it lies so.
template <class T>
class Nhwc {
 public:
  Nhwc(const Tensor& tensor, int32_t dtype) {
    check(tensor.dim() == 4, "a tensor of four dimensions is needed");
    check(tensor.dtype() == dtype, "float32 is needed, and winners as uint8");
    const int64_t* size = tensor.sizes();
    const int64_t* stride = tensor.strides();
    n = size[0], c = size[1], h = size[2], w = size[3];
    data = tensor.read<T>();
    const int64_t wanted[] = {h * w * c, 1, w * c, c};
    bool same = true;
    for (int axis = 0; axis < 4; ++axis) same = same && (size[axis] == 1 || stride[axis] == wanted[axis]);
    if (same || n * c * h * w == 0) return;
    copy_.reset(new T[n * h * w * c]);
    parallel_for(n * h, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* from = data + row / h * stride[0] + row % h * stride[2];
        T* to = copy_.get() + row * w * c;
        for (int64_t x = 0; x < w; ++x)
          for (int64_t channel = 0; channel < c; ++channel) *to++ = from[channel * stride[1] + x * stride[3]];
      }
    });
    data = copy_.get();
  }

  int64_t n, h, w, c;
  const T* data;

 private:
  std::unique_ptr<T[]> copy_;
};

// Takes the arguments off torch's stack one by one; what it takes, it owns.
class Arguments {
 public:
  explicit Arguments(StableIValue* stack) : next_(stack) {}

  Tensor tensor() { return Tensor(reinterpret_cast<AtenTensorHandle>(*next_++)); }

  std::unique_ptr<Tensor> optional_tensor() {
    const std::unique_ptr<StableIValue> value(reinterpret_cast<StableIValue*>(*next_++));
    return value ? std::make_unique<Tensor>(reinterpret_cast<AtenTensorHandle>(*value)) : nullptr;
  }

  std::vector<int64_t> ints(size_t expected) {
    const std::unique_ptr<StableListOpaque, AOTITorchError (*)(StableListHandle)> list(
        reinterpret_cast<StableListHandle>(*next_++), torch_delete_list);
    size_t size;
    call(torch_list_size(list.get(), &size));
    check(size == expected, "stride, pool and pool_stride are two numbers, padding and sizes are four");
    std::vector<int64_t> values(size);
    for (size_t i = 0; i < size; ++i) {
      StableIValue value;
      call(torch_list_get_item(list.get(), i, &value));
      values[i] = static_cast<int64_t>(value);
    }
    return values;
  }

  bool boolean() { return *reinterpret_cast<const bool*>(next_++); }

 private:
  StableIValue* next_;
};

// Reads stride, padding, pool and pool_stride, and completes the shape with the maps' sizes.
void read_windows(Arguments& arguments, Shape& s) {
  const auto stride = arguments.ints(2), padding = arguments.ints(4);
  const auto pool = arguments.ints(2), pool_stride = arguments.ints(2);
  s.sh = stride[0], s.sw = stride[1], s.top = padding[0], s.left = padding[2];
  s.ph = pool[0], s.pw = pool[1], s.psh = pool_stride[0], s.psw = pool_stride[1];
  check(s.sh > 0 && s.sw > 0 && s.ph > 0 && s.pw > 0 && s.psh > 0 && s.psw > 0, "sizes and strides are at least 1");
  check(s.fh > 0 && s.fw > 0 && s.c > 0, "a filter has at least one cell and one channel");
  for (const int64_t side : padding) check(side >= 0, "padding is at least 0");
  check(s.ph * s.pw < DEAD, "a pooling window has at most 254 cells");
  const int64_t high = s.h + padding[0] + padding[1] - s.fh, wide = s.w + padding[2] + padding[3] - s.fw;
  check(high >= 0 && wide >= 0, "the filter is larger than the padded map");
  s.oh = high / s.sh + 1, s.ow = wide / s.sw + 1;
  check(s.oh >= s.ph && s.ow >= s.pw, "the pooling window is larger than the map");
  s.qh = (s.oh - s.ph) / s.psh + 1, s.qw = (s.ow - s.pw) / s.psw + 1;
}

// (x, weight, bias?, stride, padding, pool, pool_stride, record) -> (y, winner)
void forward(StableIValue* stack, uint64_t, uint64_t) {
  Arguments arguments(stack);
  const Tensor x_tensor = arguments.tensor(), weight_tensor = arguments.tensor();
  const auto bias = arguments.optional_tensor();
  const Nhwc<float> x(x_tensor, aoti_torch_dtype_float32()), weight(weight_tensor, aoti_torch_dtype_float32());
  Shape s{};
  s.n = x.n, s.h = x.h, s.w = x.w, s.c = x.c, s.k = weight.n, s.fh = weight.h, s.fw = weight.w;
  read_windows(arguments, s);
  const bool record = arguments.boolean();
  check(weight.c == s.c, "filters and input have different numbers of channels");
  if (bias) {
    check(bias->dim() == 1 && bias->sizes()[0] == s.k, "bias is one number per filter");
    check(bias->dtype() == aoti_torch_dtype_float32() && (s.k < 2 || bias->strides()[0] == 1), "bias is float32");
  }
  Tensor y = Tensor::make(s.n, s.qh, s.qw, s.k, aoti_torch_dtype_float32());
  Tensor winner = Tensor::make(record ? s.n : 0, s.qh, s.qw, s.k, aoti_torch_dtype_uint8());
  if (s.n > 0 && s.k > 0) {
    float* y_data = y.write<float>();
    uint8_t* winner_data = record ? winner.write<uint8_t>() : nullptr;
    const float* bias_data = bias ? bias->read<float>() : nullptr;
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
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32()), x(x_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  const auto filter = arguments.ints(2);
  Shape s{};
  s.n = x.n, s.h = x.h, s.w = x.w, s.c = x.c, s.k = gradient.c, s.fh = filter[0], s.fw = filter[1];
  read_windows(arguments, s);
  check(gradient.n == s.n && gradient.h == s.qh && gradient.w == s.qw, "gradient and input do not belong together");
  check(winner.n == s.n && winner.h == s.qh && winner.w == s.qw && winner.c == s.k, "winners do not belong to it");
  Tensor weight = Tensor::make(s.k, s.fh, s.fw, s.c, aoti_torch_dtype_float32()), bias = Tensor::make(s.k);
  float *weight_data = weight.write<float>(), *bias_data = bias.write<float>();
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
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  const Nhwc<float> weight(weight_tensor, aoti_torch_dtype_float32());
  const auto size = arguments.ints(4);
  Shape s{};
  s.n = size[0], s.c = size[1], s.h = size[2], s.w = size[3], s.k = weight.n, s.fh = weight.h, s.fw = weight.w;
  read_windows(arguments, s);
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
  const Nhwc<float> gradient(gradient_tensor, aoti_torch_dtype_float32());
  const Nhwc<uint8_t> winner(winner_tensor, aoti_torch_dtype_uint8());
  const auto size = arguments.ints(2), pool = arguments.ints(2), pool_stride = arguments.ints(2);
  Shape s{};
  s.n = gradient.n, s.k = gradient.c, s.qh = gradient.h, s.qw = gradient.w, s.oh = size[0], s.ow = size[1];
  s.ph = pool[0], s.pw = pool[1], s.psh = pool_stride[0], s.psw = pool_stride[1];
  check(s.ph > 0 && s.pw > 0 && s.psh > 0 && s.psw > 0, "sizes and strides are at least 1");
  check(winner.n == s.n && winner.h == s.qh && winner.w == s.qw && winner.c == s.k, "winners do not belong to it");
  check(s.oh >= s.ph && s.ow >= s.pw, "the pooling window is larger than the map");
  check(s.qh == (s.oh - s.ph) / s.psh + 1 && s.qw == (s.ow - s.pw) / s.psw + 1,
        "gradient and map do not belong together");
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
