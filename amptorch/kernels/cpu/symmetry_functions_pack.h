// Writing some lanes of a vector one after the other.
// Included once per instruction set, inside its namespace, after simd.h.

#if AMPTORCH_SIMD_BYTES == 32

// For every choice of lanes the 32-bit parts of a vector in their new order.
template <int n_lanes>
struct Orders {
    std::uint8_t order[1 << n_lanes][8];

    constexpr Orders() : order{} {
        constexpr int parts = 8 / n_lanes;
        for (int chosen = 0; chosen < 1 << n_lanes; ++chosen) {
            int n = 0;
            for (int lane = 0; lane < n_lanes; ++lane) {
                if (!(chosen >> lane & 1)) continue;
                for (int part = 0; part < parts; ++part) {
                    order[chosen][n++] = static_cast<std::uint8_t>(lane * parts + part);
                }
            }
        }
    }
};

template <typename T>
class Lanewise {
public:
    AMPTORCH_INLINE explicit Lanewise(Mask<T> mask) {
        static constexpr Orders<width<T>> orders;
        int chosen;
        if constexpr (sizeof(T) == 8) chosen = _mm256_movemask_pd(reinterpret_cast<__m256d>(mask));
        else chosen = _mm256_movemask_ps(reinterpret_cast<__m256>(mask));
        count_ = __builtin_popcount(static_cast<unsigned>(chosen));
        const auto* bytes = reinterpret_cast<const __m128i*>(orders.order[chosen]);
        order_ = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes));
    }

    AMPTORCH_INLINE int count() const { return count_; }

    // Writes a whole vector, of which the first count() lanes mean something.
    AMPTORCH_INLINE void pack(T* to, Vec<T> value) const {
        const __m256i packed = _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(value), order_);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
    }

private:
    int count_;
    __m256i order_;
};

#else

template <typename T>
class Lanewise {
public:
    AMPTORCH_INLINE explicit Lanewise(Mask<T> mask) : mask_(mask) {
        for (int lane = 0; lane < width<T>; ++lane) count_ -= static_cast<int>(mask[lane]);
    }

    AMPTORCH_INLINE int count() const { return count_; }

    AMPTORCH_INLINE void pack(T* to, Vec<T> value) const {
        for (int lane = 0; lane < width<T>; ++lane) {
            *to = value[lane];
            to -= mask_[lane];
        }
    }

private:
    Mask<T> mask_;
    int count_ = 0;
};

#endif
