// Layers with an activation each. Included once per instruction set, inside its namespace, after
// networks_activations.h.

// How many constants of an activation are a hidden layer's own.
template <typename A>
constexpr int constants_of_layer = 0;

// The constants of a layer are a place in AMPTORCH_ACTIVATIONS and what that activation needs.
template <typename T>
struct Mixed : Both<T> {
    const T* constants;
    explicit Mixed(const T* constants) : constants(constants) {}

    AMPTORCH_INLINE Vec<T> value(Vec<T> z, Vec<T>* keep) const {
        switch (static_cast<int>(constants[0])) {
#define AMPTORCH_CASE(name, Activation) \
    case at_##Activation: return of<Activation<T>>(z, keep);
            AMPTORCH_ACTIVATIONS(AMPTORCH_CASE)
#undef AMPTORCH_CASE
        }
        return z;
    }

private:
#define AMPTORCH_PLACE(name, Activation) at_##Activation,
    enum { AMPTORCH_ACTIVATIONS(AMPTORCH_PLACE) };
#undef AMPTORCH_PLACE

    template <typename A>
    AMPTORCH_INLINE Vec<T> of(Vec<T> z, Vec<T>* keep) const {
        const A activation(constants + 1);
        Vec<T> own[A::kept + 1];
        const Vec<T> h = activation.value(z, own);
        keep[0] = activation.slope(h, own);
        keep[1] = activation.curvature(h, own);
        return h;
    }
};

template <typename T>
constexpr int constants_of_layer<Mixed<T>> = 3;
