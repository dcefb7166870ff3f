// Symmetry functions and their derivatives, a term at a time: the plain loop over neighbours j and
// pairs of neighbours j < k of every centre (equations: amptorch/kernels/symmetry_functions.py).
//
// Arrays are contiguous, in row-major order:
//   positions [n_atoms, 3], Å, inside the cell along periodic axes; numbers [n_atoms]
//   cell [3, 3], rows are the cell vectors; pbc [3]
//   kinds [n_functions, 3]: 2, 4 or 5, atomic number of j, atomic number of k (0 for G2)
//   values [n_functions, 4]: cutoff (Å), eta (1/Å^2), rs (Å) or zeta, lambda
//   centers [n_centers]: atoms to describe
//   fingerprints [n_centers, n_functions]
//   primes [n_centers, n_functions, n_atoms, 3] or null: d fingerprint / d position

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

struct Vector {
  double x, y, z;
};

Vector operator+(Vector a, Vector b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
Vector operator-(Vector a, Vector b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
Vector operator*(double s, Vector a) { return {s * a.x, s * a.y, s * a.z}; }
double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vector cross(Vector a, Vector b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

struct System {
  int64_t n_atoms;
  const Vector *positions;
  const int64_t *numbers;
  const Vector *cell;
  const uint8_t *pbc;
};

struct Neighbor {
  Vector vector;  // from the centre
  double distance;
  int64_t atom;
};

// Bins of the cell, none narrower than the cutoff unless the cell is.
class Bins {
 public:
  Bins(const System &system, double cutoff) : system_(system), cutoff_(cutoff) {
    const Vector *cell = system.cell;
    const double volume = dot(cell[0], cross(cell[1], cell[2]));
    for (int axis = 0; axis < 3; ++axis) {
      reciprocal_[axis] = (1.0 / volume) * cross(cell[(axis + 1) % 3], cell[(axis + 2) % 3]);
      const double height = 1.0 / std::sqrt(dot(reciprocal_[axis], reciprocal_[axis]));
      count_[axis] = std::max<int64_t>(1, static_cast<int64_t>(height / cutoff));
      reach_[axis] = static_cast<int64_t>(std::ceil(cutoff * count_[axis] / height));
    }
    atoms_.resize(count_[0] * count_[1] * count_[2]);
    for (int64_t atom = 0; atom < system.n_atoms; ++atom) {
      int64_t bin[3];
      locate(atom, bin);
      atoms_[index(bin)].push_back(atom);
    }
  }

  void neighbors(int64_t center, std::vector<Neighbor> &found) const {
    found.clear();
    int64_t home[3], step[3];
    locate(center, home);
    for (step[0] = -reach_[0]; step[0] <= reach_[0]; ++step[0])
      for (step[1] = -reach_[1]; step[1] <= reach_[1]; ++step[1])
        for (step[2] = -reach_[2]; step[2] <= reach_[2]; ++step[2])
          look_into(center, home, step, found);
  }

 private:
  void locate(int64_t atom, int64_t *bin) const {
    for (int axis = 0; axis < 3; ++axis) {
      const double scaled = dot(reciprocal_[axis], system_.positions[atom]);
      const int64_t place = static_cast<int64_t>(std::floor(scaled * count_[axis]));
      bin[axis] = std::min(std::max<int64_t>(place, 0), count_[axis] - 1);
    }
  }

  int64_t index(const int64_t *bin) const {
    return (bin[0] * count_[1] + bin[1]) * count_[2] + bin[2];
  }

  void look_into(int64_t center, const int64_t *home, const int64_t *step,
                 std::vector<Neighbor> &found) const {
    int64_t bin[3];
    Vector shift = {0.0, 0.0, 0.0};
    bool itself = true;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t place = home[axis] + step[axis];
      const int64_t image =
          (place >= 0 ? place : place - count_[axis] + 1) / count_[axis];  // rounded down
      if (image != 0 && !system_.pbc[axis]) return;
      bin[axis] = place - image * count_[axis];
      shift = shift + static_cast<double>(image) * system_.cell[axis];
      itself = itself && image == 0;
    }
    for (const int64_t atom : atoms_[index(bin)]) {
      if (itself && atom == center) continue;
      const Vector vector = system_.positions[atom] + shift - system_.positions[center];
      const double squared = dot(vector, vector);
      if (squared < cutoff_ * cutoff_) found.push_back({vector, std::sqrt(squared), atom});
    }
  }

  System system_;
  double cutoff_;
  Vector reciprocal_[3];
  int64_t count_[3], reach_[3];
  std::vector<std::vector<int64_t>> atoms_;
};

// A function of the set; gamma is the exponent of the polynomial cutoff function, 0 for the cosine.
struct Function {
  int64_t type, first, second;
  double cutoff, eta, third, lambda, gamma;

  double smooth(double r) const {
    if (gamma > 0.0)
      return 1.0 + gamma * std::pow(r / cutoff, gamma + 1.0) -
             (gamma + 1.0) * std::pow(r / cutoff, gamma);
    return 0.5 * (1.0 + std::cos(M_PI * r / cutoff));
  }

  double slope(double r) const {
    if (gamma > 0.0)
      return gamma * (gamma + 1.0) / cutoff *
             (std::pow(r / cutoff, gamma) - std::pow(r / cutoff, gamma - 1.0));
    return -0.5 * M_PI / cutoff * std::sin(M_PI * r / cutoff);
  }
};

// Adds up one fingerprint and, unless ``primes`` is null, its derivatives [n_atoms, 3].
struct Sum {
  double *fingerprint;
  Vector *primes;

  void moves(const Neighbor &neighbor, int64_t center, Vector gradient) const {
    primes[neighbor.atom] = primes[neighbor.atom] + gradient;
    primes[center] = primes[center] - gradient;
  }
};

void add_pair(const Function &f, const Neighbor &j, int64_t center, Sum sum) {
  if (j.distance >= f.cutoff) return;
  const double from_shell = j.distance - f.third;
  const double gauss = std::exp(-f.eta * from_shell * from_shell);
  const double smooth = f.smooth(j.distance);
  *sum.fingerprint += gauss * smooth;
  if (!sum.primes) return;
  const double change = gauss * (f.slope(j.distance) - 2.0 * f.eta * from_shell * smooth);
  sum.moves(j, center, (change / j.distance) * j.vector);
}

// G4 has a factor of the distance between the neighbours, ``far`` long, which G5 has not.
void add_triple(const Function &f, const Neighbor &j, const Neighbor &k, Vector between,
                double far, int64_t center, Sum sum) {
  const bool with_far = f.type == 4;
  if (j.distance >= f.cutoff || k.distance >= f.cutoff || (with_far && far >= f.cutoff)) return;
  const double cosine = dot(j.vector, k.vector) / (j.distance * k.distance);
  const double base = std::max(0.0, 1.0 + f.lambda * cosine), zeta = f.third;
  const double normal = std::pow(2.0, 1.0 - zeta);
  const double angular = normal * std::pow(base, zeta);
  double squares = j.distance * j.distance + k.distance * k.distance;
  if (with_far) squares += far * far;
  const double gauss = std::exp(-f.eta * squares);
  const double smooth_j = f.smooth(j.distance), smooth_k = f.smooth(k.distance);
  const double smooth_far = with_far ? f.smooth(far) : 1.0;
  *sum.fingerprint += angular * gauss * smooth_j * smooth_k * smooth_far;
  if (!sum.primes) return;

  const double by_cosine = f.lambda * zeta * normal * std::pow(base, zeta - 1.0) * gauss *
                           smooth_j * smooth_k * smooth_far;
  const double by_j = angular * gauss * smooth_k * smooth_far *
                      (f.slope(j.distance) - 2.0 * f.eta * j.distance * smooth_j);
  const double by_k = angular * gauss * smooth_j * smooth_far *
                      (f.slope(k.distance) - 2.0 * f.eta * k.distance * smooth_k);
  const double product = j.distance * k.distance;
  Vector gradient_j = (by_cosine / product) * k.vector +
                      (by_j / j.distance - by_cosine * cosine / (j.distance * j.distance)) * j.vector;
  Vector gradient_k = (by_cosine / product) * j.vector +
                      (by_k / k.distance - by_cosine * cosine / (k.distance * k.distance)) * k.vector;
  if (with_far) {
    const double by_far =
        angular * gauss * smooth_j * smooth_k * (f.slope(far) - 2.0 * f.eta * far * smooth_far);
    gradient_j = gradient_j - (by_far / far) * between;
    gradient_k = gradient_k + (by_far / far) * between;
  }
  sum.moves(j, center, gradient_j);
  sum.moves(k, center, gradient_k);
}

bool fits(const Function &f, int64_t j, int64_t k) {
  return (f.first == j && f.second == k) || (f.first == k && f.second == j);
}

System make_system(int64_t n_atoms, const double *positions, const int64_t *numbers,
                   const double *cell, const uint8_t *pbc) {
  return {n_atoms, reinterpret_cast<const Vector *>(positions), numbers,
          reinterpret_cast<const Vector *>(cell), pbc};
}

}  // namespace

extern "C" {

// The number of neighbours of all atoms; with ``pairs`` [n_pairs, 2] and ``vectors`` [n_pairs, 3]
// not null also centre and neighbour of every pair, and the vectors between them.
int64_t find_neighbors(int64_t n_atoms, const double *positions, const int64_t *numbers,
                       const double *cell, const uint8_t *pbc, double cutoff, int64_t *pairs,
                       double *vectors) {
  const System system = make_system(n_atoms, positions, numbers, cell, pbc);
  const Bins bins(system, cutoff);
  std::vector<Neighbor> neighbors;
  int64_t count = 0;
  for (int64_t center = 0; center < n_atoms; ++center) {
    bins.neighbors(center, neighbors);
    for (const Neighbor &neighbor : neighbors) {
      if (pairs && vectors) {
        pairs[2 * count] = center;
        pairs[2 * count + 1] = neighbor.atom;
        reinterpret_cast<Vector *>(vectors)[count] = neighbor.vector;
      }
      ++count;
    }
  }
  return count;
}

void symmetry_functions(int64_t n_atoms, const double *positions, const int64_t *numbers,
                        const double *cell, const uint8_t *pbc, int64_t n_functions,
                        const int64_t *kinds, const double *values, double gamma,
                        int64_t n_centers, const int64_t *centers, double *fingerprints,
                        double *primes) {
  const System system = make_system(n_atoms, positions, numbers, cell, pbc);
  std::vector<Function> functions;
  double cutoff = 0.0;
  for (int64_t s = 0; s < n_functions; ++s) {
    const int64_t *kind = kinds + 3 * s;
    const double *value = values + 4 * s;
    functions.push_back({kind[0], kind[1], kind[2], value[0], value[1], value[2], value[3], gamma});
    cutoff = std::max(cutoff, value[0]);
  }
  const Bins bins(system, cutoff);
  std::vector<Neighbor> neighbors;
  for (int64_t row = 0; row < n_centers; ++row) {
    const int64_t center = centers[row];
    bins.neighbors(center, neighbors);
    const auto sum_of = [&](int64_t s) {
      const int64_t place = row * n_functions + s;
      Vector *moved = primes ? reinterpret_cast<Vector *>(primes) + place * n_atoms : nullptr;
      return Sum{fingerprints + place, moved};
    };
    for (size_t a = 0; a < neighbors.size(); ++a) {
      const Neighbor &j = neighbors[a];
      const int64_t number_j = numbers[j.atom];
      for (int64_t s = 0; s < n_functions; ++s)
        if (functions[s].type == 2 && functions[s].first == number_j)
          add_pair(functions[s], j, center, sum_of(s));
      for (size_t b = a + 1; b < neighbors.size(); ++b) {
        const Neighbor &k = neighbors[b];
        const Vector between = k.vector - j.vector;
        const double far = std::sqrt(dot(between, between));
        for (int64_t s = 0; s < n_functions; ++s)
          if (functions[s].type != 2 && fits(functions[s], number_j, numbers[k.atom]))
            add_triple(functions[s], j, k, between, far, center, sum_of(s));
      }
    }
  }
}
}
