// Views of the tensors that Python hands to the kernels; nothing is copied.
#pragma once

#include <cstdint>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace amptorch {

namespace nb = nanobind;

template <typename T, int... shape>
using Array = nb::ndarray<T, nb::shape<shape...>, nb::c_contig, nb::device::cpu>;

}  // namespace amptorch
