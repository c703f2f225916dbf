// Torch's tensors as the operators take and make them: checked, owned, and as arrays n × h × w × c.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <vector>

#include "blocks.h"
#include "work.h"

namespace convstage {
namespace {

// More numbers than any machine holds, and few enough that no product of sizes further down leaves 64 bits.
constexpr int64_t MOST_NUMBERS = int64_t{1} << 46;

// Refuses sizes below 0, and those of more numbers than there can be.
void check_sizes(std::initializer_list<int64_t> sizes) {
  int64_t all = 1;
  for (const int64_t size : sizes) {
    check(size >= 0, "sizes are at least 0");
    const bool fits = !__builtin_mul_overflow(all, std::max<int64_t>(size, 1), &all) && all <= MOST_NUMBERS;
    check(fits, "a map, a filter or a result has more than 2^46 numbers");
  }
}

// An owned reference to a tensor.
class Tensor {
 public:
  explicit Tensor(AtenTensorHandle handle) : handle_(handle, aoti_torch_delete_tensor_object) {}

  // A new one in channels-last: sizes are (n, h, w, c), torch sees (n, c, h, w).
  static Tensor make(int64_t n, int64_t h, int64_t w, int64_t c, int32_t dtype) {
    check_sizes({n, h, w, c});
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

  // Refuses a tensor whose memory somebody has taken away or made smaller (`untyped_storage().resize_`).
  template <class T>
  const T* read() const {
    int64_t bytes, last;
    call(aoti_torch_get_storage_size(handle_.get(), &bytes));
    call(aoti_torch_get_storage_offset(handle_.get(), &last));
    bool empty = false;
    for (int64_t axis = 0; axis < dim(); ++axis) {
      empty = empty || sizes()[axis] == 0;
      last += (sizes()[axis] - 1) * strides()[axis];
    }
    check(empty || last < bytes / static_cast<int64_t>(sizeof(T)), "a tensor's memory is smaller than the tensor");
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

  std::vector<int64_t> ints() {
    const std::unique_ptr<StableListOpaque, AOTITorchError (*)(StableListHandle)> list(
        reinterpret_cast<StableListHandle>(*next_++), torch_delete_list);
    size_t size;
    call(torch_list_size(list.get(), &size));
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

}  // namespace
}  // namespace convstage
