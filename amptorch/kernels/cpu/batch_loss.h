// Penalties of errors, and their derivatives.
#pragma once

#include <cmath>
#include <stdexcept>
#include <string>

namespace amptorch::loss {

enum class Kind { square, absolute, huber };

inline Kind kind_of(const std::string& name) {
    if (name == "mse") return Kind::square;
    if (name == "mae") return Kind::absolute;
    if (name == "huber") return Kind::huber;
    throw std::invalid_argument("penalty: expected 'mse', 'mae' or 'huber', got '" + name + "'");
}

// x^2, |x|, or x^2 / 2 up to delta and delta (|x| - delta / 2) beyond.
template <typename T>
struct Penalty {
    Kind kind;
    T delta;

    T value(T x) const {
        const T size = std::abs(x);
        if (kind == Kind::square) return x * x;
        if (kind == Kind::absolute) return size;
        return size < delta ? T(0.5) * x * x : delta * (size - T(0.5) * delta);
    }

    T slope(T x) const {
        if (kind == Kind::square) return x + x;
        if (kind == Kind::huber && std::abs(x) < delta) return x;
        const T size = kind == Kind::huber ? delta : T(1);
        return x > 0 ? size : x < 0 ? -size : T(0);
    }
};

}  // namespace amptorch::loss
