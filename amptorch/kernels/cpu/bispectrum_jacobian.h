// Gradients of all features with respect to the neighbours of one atom: a matrix of the features'
// products times the gradients of the density's elements, a neighbour a lane.
// Included once per instruction set, inside its namespace.

// One level of one density: `n` rows of the products Z, and the columns of a pair's block they go to.
template <typename T>
struct Rows {
    const T* values;  // [n, n_half, re and im]
    const Slope<T>* slopes;
    int n, length;
};

// The Z of an atom's lane, times the factor of each feature and how often an element counts.
template <typename T>
void pack_rows(const Tables<T>& tables, const T* z, int lane, int j, const Slope<T>* slopes, int n,
               T* packed) {
    const Level& level = tables.levels[j];
    for (int row = 0; row < n; ++row) {
        const T* from = z + 2 * slopes[row].place * width<T> + lane;
        for (int i = 0; i < 2 * level.n_half; ++i) {
            const int count = i / 2 == level.center ? 1 : 2;
            *packed++ = count * slopes[row].factor * from[i * width<T>];
        }
    }
}

template <typename T, int n>
AMPTORCH_INLINE void multiply_rows(const Rows<T>& rows, int first, const T* gradients, T* block) {
    Vec<T> sums[n][3]{};
    const T* values = rows.values + Index(first) * rows.length;
    for (int i = 0; i < rows.length; ++i) {
        const T* g = gradients + 3 * i * width<T>;
        const Vec<T> x = load(g), y = load(g + width<T>), z = load(g + 2 * width<T>);
        for (int row = 0; row < n; ++row) {
            const T value = values[row * rows.length + i];
            sums[row][0] += value * x;
            sums[row][1] += value * y;
            sums[row][2] += value * z;
        }
    }
    for (int row = 0; row < n; ++row) {
        T* to = block + 3 * Index(rows.slopes[first + row].column) * width<T>;
        for (int axis = 0; axis < 3; ++axis) add<T>(to + axis * width<T>, sums[row][axis]);
    }
}

// Adds the rows times gradients [length, 3, width] to the block [n_touched, 3, width].
template <typename T>
void multiply(const Rows<T>& rows, const T* gradients, T* block) {
    int first = 0;
    for (; first + 4 <= rows.n; first += 4) multiply_rows<T, 4>(rows, first, gradients, block);
    for (; first < rows.n; ++first) multiply_rows<T, 1>(rows, first, gradients, block);
}

template <typename T>
void write_block(const Neighbors<T>& n, int place, const T* block) {
    const int length = 3 * n.task.n_touched;
    for (int lane = 0; lane < width<T>; ++lane) {
        const int neighbor = n.neighbor[place + lane];
        if (neighbor < 0) continue;
        T* to = n.task.blocks + (n.begin + neighbor) * length;
        for (int i = 0; i < length; ++i) to[i] = block[i * width<T> + lane];
    }
}

// Numbers that the packed rows of one density take, at most.
template <typename T>
Index packed_length(const Tables<T>& tables) {
    Index longest = 0;
    for (int density = 0; density < tables.n_densities; ++density) {
        Index length = 0;
        for (int j = 0; j <= tables.twojmax; ++j) {
            const Index* first = tables.first_gradient + density * (tables.twojmax + 1) + j;
            length += (first[1] - first[0]) * 2 * tables.levels[j].n_half;
        }
        longest = length > longest ? length : longest;
    }
    return longest;
}

// The blocks of an atom's neighbours of one density. Memory: packed rows, gradients of the elements,
// and a block of features.
template <typename T>
void write_blocks(const Neighbors<T>& n, int density, const T* z, int lane, T* packed, T* gradients,
                  T* block) {
    if (n.start[density] == n.start[density + 1]) return;
    const Tables<T>& tables = n.task.tables;
    Rows<T> levels[highest + 1];
    for (int j = 0; j <= tables.twojmax; ++j) {
        const Index* first = tables.first_gradient + density * (tables.twojmax + 1) + j;
        const int count = static_cast<int>(first[1] - first[0]);
        levels[j] = {packed, tables.gradients + *first, count, 2 * tables.levels[j].n_half};
        pack_rows(tables, z, lane, j, levels[j].slopes, count, packed);
        packed += Index(count) * levels[j].length;
    }
    for (int place = n.start[density]; place < n.start[density + 1]; place += width<T>) {
        write_gradients(n, place, gradients);
        for (int i = 0; i < 3 * n.task.n_touched; ++i) store<T>(block + i * width<T>, Vec<T>{});
        for (int j = 0; j <= tables.twojmax; ++j) {
            multiply(levels[j], gradients + 6 * tables.levels[j].half * width<T>, block);
        }
        write_block(n, place, block);
    }
}
