// Radial functions f_k of some pairs, a pair a lane, and their slopes.
// Included once per instruction set, inside its namespace.

// Of sin(pi y)/y, and of cos(pi y), in y^2.
template <typename T>
struct Circle;
template <>
struct Circle<double> {
    static constexpr double sine[] = {
        3.141592653589793, -5.167712780049969, 2.550164039877345, -0.5992645293207919,
        0.08214588661112819, -0.007370430945714348, 0.00046630280576761234, -2.1915353447830204e-05,
        7.952054001475508e-07, -2.2948428997269856e-08, 5.392664662608125e-10,
        -1.0518471716932054e-11};
    static constexpr double cosine[] = {
        1.0, -4.934802200544679, 4.058712126416768, -1.3352627688545893, 0.23533063035889312,
        -0.02580689139001405, 0.001929574309403922, -0.00010463810492484565, 4.303069587032944e-06,
        -1.387895246221376e-07, 3.6047307974624982e-09, -7.700707130601346e-11,
        1.3768647280377402e-12};
};
template <>
struct Circle<float> {
    static constexpr float sine[] = {3.1415927f, -5.1677128f, 2.5501640f, -0.5992645f,
                                     0.08214589f, -0.007370431f, 0.00046630281f};
    static constexpr float cosine[] = {1.0f, -4.9348022f, 4.0587121f, -1.3352628f,
                                       0.23533063f, -0.025806891f, 0.0019295743f};
};

template <typename T>
struct Angle {
    Vec<T> sine, cosine;
};

// Of pi s, 0 <= s <= 1.
template <typename T>
AMPTORCH_INLINE Angle<T> half_turn(Vec<T> s) {
    const Vec<T> y = s - T(0.5), square = y * y;
    return {polynomial<T>(Circle<T>::cosine, square), -y * polynomial<T>(Circle<T>::sine, square)};
}

// The functions at r and df/dr, and what they are made of.
template <typename T>
struct Functions {
    Vec<T> values[most_functions], slopes[most_functions];
};

// F(s) = (1 + cos(pi s))/2 and dF/ds.
template <typename T>
AMPTORCH_INLINE void fade(Vec<T> s, Vec<T>& value, Vec<T>& slope) {
    const Angle<T> angle = half_turn<T>(s);
    value = T(0.5) + T(0.5) * angle.cosine;
    slope = T(-1.5707963267948966) * angle.sine;
}

// f_k = (a + b T_(k + shift)(x)) g with dx/dr and dg/dr; f_0 = g for shift 0.
template <typename T>
AMPTORCH_INLINE void chebyshev(int number, int shift, T a, T b, Vec<T> x, Vec<T> dx, Vec<T> g,
                               Vec<T> dg, Functions<T>& f) {
    Vec<T> before = broadcast<T>(1), value = x, slope_before{}, slope = broadcast<T>(1);
    int k = 0;
    if (shift == 0) {
        f.values[0] = g;
        f.slopes[0] = dg;
        k = 1;
    }
    for (; k < number; ++k) {
        const Vec<T> h = a + b * value;
        f.values[k] = h * g;
        f.slopes[k] = b * slope * dx * g + h * dg;
        const Vec<T> next = T(2) * x * value - before;
        const Vec<T> next_slope = T(2) * (value + x * slope) - slope_before;
        before = value;
        value = next;
        slope_before = slope;
        slope = next_slope;
    }
}

template <typename T>
AMPTORCH_INLINE void nep(const Radial<T>& radial, Vec<T> s, Functions<T>& f) {
    Vec<T> g, dg;
    fade<T>(s, g, dg);
    const Vec<T> left = s - T(1);
    chebyshev<T>(radial.number, 0, T(0.5), T(0.5), T(2) * left * left - T(1),
                 T(4) * left * radial.inverse, g, dg * radial.inverse, f);
}

template <typename T>
void cheb_exp_cos(const Radial<T>& radial, Vec<T> r, Functions<T>& f) {
    const Vec<T> s = r * radial.inverse, lambda = broadcast<T>(radial.lambda);
    const Vec<T> last = exponential<T>(-lambda), now = exponential<T>(-lambda * s);
    const Vec<T> scale = T(-2) / (T(1) - last);
    Vec<T> g, dg;
    fade<T>(s, g, dg);
    dg *= radial.inverse;
    if (radial.width > 0) {
        Vec<T> end = (r - (radial.cutoff - radial.width)) / radial.width, h, dh;
        end = end > Vec<T>{} ? end : Vec<T>{};
        fade<T>(end, h, dh);
        dg = dg * h + g * dh / radial.width;
        g *= h;
    }
    chebyshev<T>(radial.number, 0, T(0.5), T(-0.5), T(1) + scale * (now - last),
                 -scale * (radial.lambda * radial.inverse) * now, g, dg, f);
}

template <typename T>
void cheb_pow(const Radial<T>& radial, Vec<T> s, Functions<T>& f) {
    const Vec<T> left = T(1) - s, power = real_power<T>(left, radial.lambda - 1);
    const Vec<T> one = broadcast<T>(1);
    chebyshev<T>(radial.number, 1, T(0.5), T(-0.5), T(1) - T(2) * power * left,
                 (T(2) * radial.lambda * radial.inverse) * power, one, Vec<T>{}, f);
}

template <typename T>
void sbessel(const Radial<T>& radial, Vec<T> r, Functions<T>& f) {
    const Vec<T> inverse = T(1) / r;
    const Angle<T> angle = half_turn<T>(r * radial.inverse);
    const T pi_rc = T(3.141592653589793) * radial.inverse;
    Vec<T> sine = angle.sine, cosine = angle.cosine, value, slope;
    // sinc((n + 1) pi s) and its slope.
    const auto sinc = [&](int n, Vec<T>& value, Vec<T>& slope) {
        value = sine * inverse / (T(n + 1) * pi_rc);
        slope = (cosine - value) * inverse;
        const Vec<T> turned = sine * angle.cosine + cosine * angle.sine;
        cosine = cosine * angle.cosine - sine * angle.sine;
        sine = turned;
    };
    sinc(0, value, slope);
    for (int n = 0; n < radial.number; ++n) {
        Vec<T> next, next_slope;
        sinc(n + 1, next, next_slope);
        const T* factor = radial.factors + 3 * n;
        const T size = factor[0] * radial.size;
        Vec<T> b = size * (value + next), db = size * (slope + next_slope);
        if (n) {
            b += factor[1] * f.values[n - 1];
            db += factor[1] * f.slopes[n - 1];
        }
        f.values[n] = factor[2] * b;
        f.slopes[n] = factor[2] * db;
        value = next;
        slope = next_slope;
    }
}

// Times 1 - P(r).
template <typename T>
AMPTORCH_INLINE void cut_inside(const Radial<T>& radial, Vec<T> r, Functions<T>& f) {
    const T width = radial.inner_width, start = radial.inner - width, scale = width > 0 ? 1 / width : 0;
    const Vec<T> one = broadcast<T>(1), inside = one - (T(2) * scale) * (r - start);
    const Vec<T> x = inside > -one ? (inside < one ? inside : one) : -one, square = x * x;
    const Mask<T> beyond = r > start;
    Vec<T> value = T(0.5) - x * (T(0.9375) - square * (T(0.625) - T(0.1875) * square));
    value = beyond ? (width > 0 ? value : one) : Vec<T>{};
    const Vec<T> slope = (T(1.875) * scale) * (one - square) * (one - square);
    for (int k = 0; k < radial.number; ++k) {
        f.slopes[k] = f.slopes[k] * value + f.values[k] * slope;
        f.values[k] *= value;
    }
}

// Of distances r, zero from the cutoff on.
template <typename T>
AMPTORCH_INLINE void make_functions(const Radial<T>& radial, Vec<T> r, Functions<T>& f) {
    const Mask<T> near = r < radial.cutoff;
    const Vec<T> inside = near ? r : broadcast<T>(T(0.5) * radial.cutoff);
    const Vec<T> s = inside * radial.inverse;
    switch (radial.kind) {
    case Kind::nep: nep<T>(radial, s, f); break;
    case Kind::sbessel: sbessel<T>(radial, inside, f); break;
    case Kind::cheb_exp_cos: cheb_exp_cos<T>(radial, inside, f); break;
    case Kind::cheb_pow: cheb_pow<T>(radial, s, f); break;
    case Kind::cheb_linear:
        chebyshev<T>(radial.number, 1, T(0.5), T(-0.5), T(1) - s, broadcast<T>(-radial.inverse),
                     broadcast<T>(1), Vec<T>{}, f);
        break;
    }
    if (radial.inner > 0) cut_inside<T>(radial, inside, f);
    for (int k = 0; k < radial.number; ++k) {
        f.values[k] = near ? f.values[k] : Vec<T>{};
        f.slopes[k] = near ? f.slopes[k] : Vec<T>{};
    }
}
