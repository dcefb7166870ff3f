// The four operations that every descriptor's kernel has, as functions of its arrays. For the bindings
// alone.
#pragma once

#include "arrays.h"
#include "environment.h"

namespace amptorch {

template <typename T>
using Matrix = Array<T, -1, -1>;

using Indices = Array<const Index, -1>;

template <typename T>
Environment<T> environment_of(const Array<const T, -1, 3>& vectors, const Indices& first,
                              const Indices& neighbors, const Indices& species) {
    return {vectors.data(), first.data(), neighbors.data(), species.data(),
            static_cast<Index>(species.shape(0))};
}

// `run` gets a task that holds the arrays of one operation alone, and adds those that all share.
template <typename T, typename Inputs, typename Task, typename Operation,
          void (*run)(const Inputs&, Operation, Task, Touch)>
struct Operations {
    static void forward(const Inputs& inputs, Matrix<T> features) {
        Task task{};
        task.features = features.data();
        run(inputs, Operation::forward, task, {});
    }

    static void jacobian(const Inputs& inputs, Array<const Index, -1, -1, -1> touch,
                         Matrix<T> features, Array<T, -1, -1, 3> blocks) {
        Task task{};
        task.features = features.data();
        task.blocks = blocks.data();
        run(inputs, Operation::jacobian, task, {touch.data(), static_cast<int>(touch.shape(2))});
    }

    static void vjp(const Inputs& inputs, Matrix<const T> gradient, Array<T, -1, 3> pulled) {
        Task task{};
        task.gradient = gradient.data();
        task.pulled = pulled.data();
        run(inputs, Operation::vjp, task, {});
    }

    static void jvp(const Inputs& inputs, Array<const T, -1, 3> changes, Matrix<T> features) {
        Task task{};
        task.changes = changes.data();
        task.features = features.data();
        run(inputs, Operation::jvp, task, {});
    }
};

}  // namespace amptorch
