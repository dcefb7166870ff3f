// Writing some lanes of a vector one after the other, reading them back, and sums of lanes.
// Included once per instruction set, inside its namespace, after simd.h.

#if AMPTORCH_SIMD_BYTES == 64

template <typename T>
class Lanewise {
public:
    AMPTORCH_INLINE explicit Lanewise(Mask<T> mask) {
        const auto lanes = reinterpret_cast<__m512i>(mask);
        if constexpr (sizeof(T) == 8) bits_ = _mm512_movepi64_mask(lanes);
        else bits_ = _mm512_movepi32_mask(lanes);
    }

    AMPTORCH_INLINE int count() const { return __builtin_popcount(bits_); }

    // Lane by lane from the lowest bit on whether it is chosen.
    AMPTORCH_INLINE LaneBits bits() const { return bits_; }

    // Writes a whole vector, of which the first count() lanes mean something: to write these alone
    // takes many times as long on some processors.
    AMPTORCH_INLINE void pack(T* to, Vec<T> value) const {
        if constexpr (sizeof(T) == 8) {
            store_unaligned<T>(to, _mm512_maskz_compress_pd(static_cast<__mmask8>(bits_), value));
        } else {
            store_unaligned<T>(to, _mm512_maskz_compress_ps(bits_, value));
        }
    }

private:
    LaneBits bits_;
};

// The reverse of Lanewise: from packed numbers to a vector, 0 in the lanes that were not chosen.
template <typename T>
class Unpacked {
public:
    AMPTORCH_INLINE explicit Unpacked(LaneBits bits) : bits_(bits) {}

    AMPTORCH_INLINE int count() const { return __builtin_popcount(bits_); }

    // Reads a whole vector.
    AMPTORCH_INLINE Vec<T> operator()(const T* from) const {
        if constexpr (sizeof(T) == 8) {
            return _mm512_maskz_expand_pd(static_cast<__mmask8>(bits_), _mm512_loadu_pd(from));
        } else {
            return _mm512_maskz_expand_ps(bits_, _mm512_loadu_ps(from));
        }
    }

private:
    LaneBits bits_;
};

// The sums of the lanes of four vectors.
template <typename T>
AMPTORCH_INLINE Quad<T> sum_each(Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
    Quad<T> sums{};
    const Vec<T> of[] = {a, b, c, d};
    add_sums<T>(of, reinterpret_cast<T*>(&sums));
    return sums;
}

#elif AMPTORCH_SIMD_BYTES == 32

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
        if constexpr (sizeof(T) == 8) bits_ = _mm256_movemask_pd(reinterpret_cast<__m256d>(mask));
        else bits_ = _mm256_movemask_ps(reinterpret_cast<__m256>(mask));
        const auto* bytes = reinterpret_cast<const __m128i*>(orders.order[bits_]);
        order_ = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes));
    }

    AMPTORCH_INLINE int count() const { return __builtin_popcount(bits_); }

    // Lane by lane from the lowest bit on whether it is chosen.
    AMPTORCH_INLINE LaneBits bits() const { return static_cast<LaneBits>(bits_); }

    // Writes a whole vector, of which the first count() lanes mean something.
    AMPTORCH_INLINE void pack(T* to, Vec<T> value) const {
        const __m256i packed = _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(value), order_);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
    }

private:
    unsigned bits_;
    __m256i order_;
};

// For every choice of lanes where each lane comes from, and all bits set in those that are chosen.
template <int n_lanes>
struct Places {
    std::uint8_t order[1 << n_lanes][8], chosen[1 << n_lanes][8];

    constexpr Places() : order{}, chosen{} {
        constexpr int parts = 8 / n_lanes;
        for (int bits = 0; bits < 1 << n_lanes; ++bits) {
            int n = 0;
            for (int lane = 0; lane < n_lanes; ++lane) {
                if (!(bits >> lane & 1)) continue;
                for (int part = 0; part < parts; ++part) {
                    order[bits][lane * parts + part] = static_cast<std::uint8_t>(n++);
                    chosen[bits][lane * parts + part] = 0xff;
                }
            }
        }
    }
};

// The reverse of Lanewise: from packed numbers to a vector, 0 in the lanes that were not chosen.
template <typename T>
class Unpacked {
public:
    AMPTORCH_INLINE explicit Unpacked(LaneBits bits) : bits_(bits) {
        static constexpr Places<width<T>> places;
        const auto* order = reinterpret_cast<const __m128i*>(places.order[bits]);
        const auto* chosen = reinterpret_cast<const __m128i*>(places.chosen[bits]);
        order_ = _mm256_cvtepu8_epi32(_mm_loadl_epi64(order));
        chosen_ = _mm256_cvtepi8_epi32(_mm_loadl_epi64(chosen));
    }

    AMPTORCH_INLINE int count() const { return __builtin_popcount(bits_); }

    // Reads a whole vector.
    AMPTORCH_INLINE Vec<T> operator()(const T* from) const {
        const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        const __m256i spread = _mm256_permutevar8x32_epi32(packed, order_);
        return reinterpret_cast<Vec<T>>(_mm256_and_si256(spread, chosen_));
    }

private:
    unsigned bits_;
    __m256i order_, chosen_;
};

// The sums of the lanes of four vectors.
template <typename T>
AMPTORCH_INLINE Quad<T> sum_each(Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
    if constexpr (sizeof(T) == 8) {
        const __m256d ab = _mm256_hadd_pd(a, b), cd = _mm256_hadd_pd(c, d);
        return _mm256_permute2f128_pd(ab, cd, 0x20) + _mm256_permute2f128_pd(ab, cd, 0x31);
    } else {
        const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        return _mm256_castps256_ps128(all) + _mm256_extractf128_ps(all, 1);
    }
}

#else

// Without an instruction for it: of four bits at most.
AMPTORCH_INLINE int bits_count(unsigned bits) {
    return static_cast<int>((bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1) + (bits >> 3 & 1));
}

template <typename T>
class Lanewise {
public:
    AMPTORCH_INLINE explicit Lanewise(Mask<T> mask) : mask_(mask) {
        for (int lane = 0; lane < width<T>; ++lane) {
            bits_ |= static_cast<unsigned>(mask[lane] & 1) << lane;
        }
    }

    AMPTORCH_INLINE int count() const { return bits_count(bits_); }

    AMPTORCH_INLINE LaneBits bits() const { return static_cast<LaneBits>(bits_); }

    AMPTORCH_INLINE void pack(T* to, Vec<T> value) const {
        for (int lane = 0; lane < width<T>; ++lane) {
            *to = value[lane];
            to -= mask_[lane];
        }
    }

private:
    Mask<T> mask_;
    unsigned bits_ = 0;
};

template <typename T>
class Unpacked {
public:
    AMPTORCH_INLINE explicit Unpacked(LaneBits bits) : bits_(bits) {}

    AMPTORCH_INLINE int count() const { return bits_count(bits_); }

    AMPTORCH_INLINE Vec<T> operator()(const T* from) const {
        Vec<T> value{};
        for (int lane = 0; lane < width<T>; ++lane) {
            if (bits_ >> lane & 1) value[lane] = *from++;
        }
        return value;
    }

private:
    unsigned bits_;
};

template <typename T>
AMPTORCH_INLINE Quad<T> sum_each(Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> d) {
    return Quad<T>{sum<T>(a), sum<T>(b), sum<T>(c), sum<T>(d)};
}

#endif
