// Memory for whole vectors of numbers, as it comes. For the bindings alone.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace amptorch {

template <typename T>
class Aligned {
public:
    explicit Aligned(std::ptrdiff_t size) : values_(allocate(size)) {}
    T* data() const { return values_.get(); }

private:
    static constexpr std::align_val_t alignment{64};
    static T* allocate(std::ptrdiff_t size) {
        const auto bytes = static_cast<std::size_t>(size) * sizeof(T);
        return static_cast<T*>(::operator new(bytes, alignment));
    }
    struct Free {
        void operator()(T* values) const { ::operator delete(values, alignment); }
    };
    std::unique_ptr<T, Free> values_;
};

}  // namespace amptorch
