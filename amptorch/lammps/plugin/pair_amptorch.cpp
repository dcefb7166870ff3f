#include "pair_amptorch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <fstream>
#include <sstream>

#include "atom.h"
#include "comm.h"
#include "entries.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

namespace LAMMPS_NS {
namespace {

// Centres that are worked on together: enough for tiles of networks, few enough that their pairs stay
// in the cache.
constexpr int chunk = 256;
constexpr int virials = 6;  // xx yy zz xy xz yz

// Of a pair with vector R and gradient g: -R g, made symmetric, as its sum is where energies do not
// change under rotation.
void add_virial(double* to, double factor, const double* R, const double* g) {
    to[0] -= factor * R[0] * g[0];
    to[1] -= factor * R[1] * g[1];
    to[2] -= factor * R[2] * g[2];
    to[3] -= factor / 2 * (R[0] * g[1] + R[1] * g[0]);
    to[4] -= factor / 2 * (R[0] * g[2] + R[2] * g[0]);
    to[5] -= factor / 2 * (R[1] * g[2] + R[2] * g[1]);
}

// Room for so many numbers at least; what is there stays only where it is enough.
template <typename T>
void grow(std::vector<T>& values, std::size_t size) {
    if (values.size() < size) values.resize(size + size / 4);
}

}  // namespace

PairAmptorch::PairAmptorch(LAMMPS* lmp) : Pair(lmp) {
    single_enable = 0;
    restartinfo = 0;
    one_coeff = 1;
    manybody_flag = 1;
    no_virial_fdotr_compute = 1;
    centroidstressflag = CENTROID_NOTAVAIL;
    nextra = 1;
    pvector = new double[1]{};
}

PairAmptorch::~PairAmptorch() {
    delete[] pvector;
    if (!allocated) return;
    memory->destroy(setflag);
    memory->destroy(cutsq);
    delete[] map;
    map = nullptr;
}

void PairAmptorch::allocate() {
    allocated = 1;
    const int n = atom->ntypes + 1;
    memory->create(setflag, n, n, "pair:setflag");
    memory->create(cutsq, n, n, "pair:cutsq");
    std::fill_n(&setflag[0][0], n * n, 0);
    std::fill_n(&cutsq[0][0], n * n, 0.0);
    map = new int[n];
}

void PairAmptorch::settings(int narg, char** arg) {
    if (narg) error->all(FLERR, "pair_style amptorch: expected no argument, got {}", arg[0]);
}

// * * FILE [FILE ...] ELEMENT ..., an element for each type.
void PairAmptorch::coeff(int narg, char** arg) {
    const int n_files = narg - 2 - atom->ntypes;
    if (n_files < 1) {
        error->all(FLERR, "pair_coeff amptorch: expected * * FILE and an element for each of the {} "
                   "atom types", atom->ntypes);
    }
    if (!allocated) allocate();
    members_.clear();
    above_zbl_ = false;
    for (int k = 0; k < n_files; ++k) read(arg[2 + k]);
    map_types(arg + 2 + n_files);
}

// The text of a file, which one process reads for all.
std::string PairAmptorch::text_of(const std::string& path) {
    std::string text;
    bigint size = -1;
    if (comm->me == 0) {
        const std::string found = utils::get_potential_file_path(path);
        std::ifstream file(found.empty() ? path : found, std::ios::binary);
        std::ostringstream content;
        if (file && content << file.rdbuf()) {
            text = content.str();
            size = static_cast<bigint>(text.size());
        }
    }
    MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, world);
    if (size < 0) error->all(FLERR, "pair_coeff amptorch: cannot read {}", path);
    text.resize(size);
    for (bigint at = 0; at < size; at += MAXSMALLINT / 2) {
        const int n = static_cast<int>(std::min<bigint>(size - at, MAXSMALLINT / 2));
        MPI_Bcast(&text[at], n, MPI_CHAR, 0, world);
    }
    return text;
}

void PairAmptorch::read(const std::string& path) {
    const std::string text = text_of(path);
    std::string problem;
    try {
        const amptorch::plugin::Entries entries(text);
        members_.push_back(amptorch::plugin::make_potential(entries));
        const auto& symbols = entries.words("elements");
        const double cutoff = entries.number("cutoff");
        above_zbl_ = above_zbl_ || !entries.numbers("zbl").empty();
        if (members_.size() > 1 && (symbols != symbols_ || cutoff != cutoff_)) {
            problem = "a committee is of potentials with the same elements and cutoff";
        }
        symbols_ = symbols;
        cutoff_ = cutoff;
    } catch (const std::exception& caught) {
        problem = caught.what();
    }
    if (!problem.empty()) error->all(FLERR, "pair_coeff amptorch: {}: {}", path, problem);
}

void PairAmptorch::map_types(char** names) {
    map_element2type(atom->ntypes, names);
    species_of_.assign(atom->ntypes + 1, -1);
    for (int type = 1; type <= atom->ntypes; ++type) {
        if (map[type] < 0) continue;
        const std::string symbol = elements[map[type]];
        const auto place = std::find(symbols_.begin(), symbols_.end(), symbol);
        if (place == symbols_.end()) {
            std::string known;
            for (const auto& each : symbols_) known += " " + each;
            error->all(FLERR, "pair_coeff amptorch: the potential knows no {}, only{}", symbol, known);
        }
        species_of_[type] = static_cast<int>(place - symbols_.begin());
    }
}

void PairAmptorch::init_style() {
    if (std::strcmp(update->unit_style, "metal") != 0) {
        error->all(FLERR, "pair_style amptorch: expected units metal (eV, Angstrom), got {}",
                   update->unit_style);
    }
    if (above_zbl_ && !force->pair_match("zbl", 1)) {
        error->all(FLERR, "pair_style amptorch: this potential stands above pair_style zbl: expected "
                   "pair_style hybrid/overlay with both, as amptorch lammps input writes it");
    }
    neighbor->add_request(this, NeighConst::REQ_FULL);
    comm_reverse = comm_reverse_off = 3 * static_cast<int>(members_.size()) + virials;
    outside_ = 0;
}

double PairAmptorch::init_one(int i, int j) {
    if (setflag[i][j] == 0) error->all(FLERR, "pair_style amptorch: pair_coeff of {} {} is not set", i, j);
    return cutoff_;
}

void PairAmptorch::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    begin_step();
    for (int begin = 0; begin < list->inum; begin += chunk) {
        const int n = std::min(chunk, list->inum - begin);
        gather(begin, n);
        for (std::size_t member = 0; member < members_.size(); ++member) {
            evaluate(static_cast<int>(member));
            add(begin, n, member);
            if (wants_grades_) add_grades(begin, n, member);
        }
    }
    if (shared_) hand_out();
    outside_ += static_cast<std::int64_t>(pvector[0]);
}

void PairAmptorch::begin_step() {
    const int n_all = atom->nlocal + atom->nghost;
    grow(species_, chunk + n_all);
    for (int j = 0; j < n_all; ++j) species_[chunk + j] = species_of_[atom->type[j]];
    pvector[0] = 0;
    if (wants_grades_) grades_.assign(std::max(atom->nlocal, 1), 0.0);
    shared_ = members_.size() > 1 || !force->newton_pair;
    stride_ = 3 * static_cast<int>(members_.size()) + (vflag_atom && !force->newton_pair ? virials : 0);
    if (shared_) shares_.assign(std::size_t(n_all) * stride_, 0.0);
}

// Neighbours of the centres, ordered by species.
void PairAmptorch::gather(int begin, int n) {
    first_.assign(1, 0);
    neighbors_.clear();
    vectors_.clear();
    for (int k = 0; k < n; ++k) {
        const int i = list->ilist[begin + k];
        species_[k] = species_[chunk + i];
        add_neighbors(i);
        first_.push_back(static_cast<Index>(neighbors_.size()));
    }
}

void PairAmptorch::add_neighbors(int i) {
    double** const x = atom->x;
    const double square = cutoff_ * cutoff_;
    places_.assign(symbols_.size() + 1, 0);
    near_.clear();
    near_vectors_.clear();
    for (int place = 0; place < list->numneigh[i]; ++place) {
        const int j = list->firstneigh[i][place] & NEIGHMASK;
        const double R[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
        const Index species = species_[chunk + j];
        if (species < 0 || R[0] * R[0] + R[1] * R[1] + R[2] * R[2] >= square) continue;
        near_.push_back(j);
        near_vectors_.insert(near_vectors_.end(), R, R + 3);
        ++places_[species + 1];
    }
    const std::size_t from = neighbors_.size();
    neighbors_.resize(from + near_.size());
    vectors_.resize(3 * neighbors_.size());
    for (std::size_t s = 1; s < places_.size(); ++s) places_[s] += places_[s - 1];
    for (std::size_t k = 0; k < near_.size(); ++k) {
        const std::size_t to = from + places_[species_[chunk + near_[k]]]++;
        neighbors_[to] = chunk + near_[k];
        std::copy_n(near_vectors_.data() + 3 * k, 3, vectors_.data() + 3 * to);
    }
}

// Energies and gradients of the gathered centres by a member, their share of the mean.
void PairAmptorch::evaluate(int member) {
    const auto n = first_.size() - 1;
    grow(energies_, n);
    grow(gradients_, vectors_.size());
    try {
        const Index outside = members_[member]->evaluate(
            {vectors_.data(), first_.data(), neighbors_.data(), species_.data(), Index(n)},
            energies_.data(), gradients_.data());
        if (member == 0) pvector[0] += static_cast<double>(outside);
    } catch (const std::exception& problem) {
        error->one(FLERR, "pair_style amptorch: {}", problem.what());
    }
    if (pvector[0] > 0 && !warned_) {
        warned_ = true;
        error->warning(FLERR, "pair_style amptorch: fingerprints of {} atoms lie outside the range seen "
                       "in training; their number over all steps comes at the end of a run",
                       static_cast<int>(pvector[0]));
    }
}

void PairAmptorch::add(int begin, int n, std::size_t member) {
    const double share = 1.0 / static_cast<double>(members_.size());
    for (int k = 0; k < n; ++k) {
        const int i = list->ilist[begin + k];
        if (eflag_global) eng_vdwl += share * energies_[k];
        if (eflag_atom) eatom[i] += share * energies_[k];
        add_forces(i, first_.data() + k, member);
        if (vflag_either) add_virials(i, first_.data() + k);
    }
}

void PairAmptorch::add_grades(int begin, int n, std::size_t member) {
    if (!members_[member]->has_grades()) return;
    grow(own_grades_, n);
    members_[member]->grades(
        {vectors_.data(), first_.data(), neighbors_.data(), species_.data(), Index(n)},
        own_grades_.data());
    for (int k = 0; k < n; ++k) {
        double& grade = grades_[list->ilist[begin + k]];
        grade = std::max(grade, own_grades_[k]);
    }
}

void PairAmptorch::add_forces(int i, const Index* pairs, std::size_t member) {
    double** const f = atom->f;
    double total[3] = {};
    for (Index pair = pairs[0]; pair < pairs[1]; ++pair) {
        const double* const g = gradients_.data() + 3 * pair;
        const int j = static_cast<int>(neighbors_[pair]) - chunk;
        double* const to = shared_ ? share(j) + 3 * member : f[j];
        for (int a = 0; a < 3; ++a) {
            to[a] -= g[a];
            total[a] += g[a];
        }
    }
    double* const to = shared_ ? share(i) + 3 * member : f[i];
    for (int a = 0; a < 3; ++a) to[a] += total[a];
}

// Half of a pair's virial to each of its atoms.
void PairAmptorch::add_virials(int i, const Index* pairs) {
    const double factor = 1.0 / static_cast<double>(members_.size());
    const bool away = !force->newton_pair;
    const int behind = 3 * static_cast<int>(members_.size());
    for (Index pair = pairs[0]; pair < pairs[1]; ++pair) {
        const double *R = vectors_.data() + 3 * pair, *g = gradients_.data() + 3 * pair;
        if (vflag_global) add_virial(virial, factor, R, g);
        if (!vflag_atom) continue;
        const int j = static_cast<int>(neighbors_[pair]) - chunk;
        add_virial(vatom[i], factor / 2, R, g);
        add_virial(away ? share(j) + behind : vatom[j], factor / 2, R, g);
    }
}

// Brings home what ghosts have, adds the mean of the members to the forces, and keeps the largest
// distance of a member's force from the mean.
void PairAmptorch::hand_out() {
    comm->reverse_comm(this, stride_);
    const std::size_t n_members = members_.size();
    grow(deviations_, atom->nlocal);
    for (int i = 0; i < atom->nlocal; ++i) {
        const double* const own = share(i);
        double mean[3] = {}, largest = 0;
        for (std::size_t k = 0; k < 3 * n_members; ++k) {
            mean[k % 3] += own[k] / static_cast<double>(n_members);
        }
        for (std::size_t k = 0; k < n_members; ++k) {
            double square = 0;
            for (int a = 0; a < 3; ++a) square += std::pow(own[3 * k + a] - mean[a], 2);
            largest = std::max(largest, square);
        }
        deviations_[i] = std::sqrt(largest);
        for (int a = 0; a < 3; ++a) atom->f[i][a] += mean[a];
        for (int k = 3 * static_cast<int>(n_members); k < stride_; ++k) {
            vatom[i][k - 3 * n_members] += own[k];
        }
    }
}

int PairAmptorch::pack_reverse_comm(int n, int first, double* buffer) {
    std::copy_n(share(first), std::size_t(n) * stride_, buffer);
    return n * stride_;
}

void PairAmptorch::unpack_reverse_comm(int n, int* atoms, double* buffer) {
    for (int k = 0; k < n; ++k) {
        double* const to = share(atoms[k]);
        for (int column = 0; column < stride_; ++column) to[column] += *buffer++;
    }
}

void PairAmptorch::finish() {
    bigint own = outside_, total = 0;
    MPI_Reduce(&own, &total, 1, MPI_LMP_BIGINT, MPI_SUM, 0, world);
    if (comm->me == 0 && total > 0) {
        utils::logmesg(lmp, "pair_style amptorch: atoms outside the range seen in training, over all "
                       "steps: {}\n", total);
    }
}

bool PairAmptorch::has_grades() const {
    return std::any_of(members_.begin(), members_.end(),
                       [](const auto& each) { return each->has_grades(); });
}

// What fix pair sets in the steps that it wants grades of.
void* PairAmptorch::extract(const char* name, int& dimension) {
    dimension = 0;
    return std::strcmp(name, "gamma_flag") == 0 && has_grades() ? &wants_grades_ : nullptr;
}

void* PairAmptorch::extract_peratom(const char* name, int& columns) {
    if (std::strcmp(name, "gamma") == 0 && has_grades()) {
        columns = 0;
        grow(grades_, std::max(atom->nlocal, 1));
        return grades_.data();
    }
    if (std::strcmp(name, "deviation") != 0 || members_.size() < 2) return nullptr;
    columns = 0;
    grow(deviations_, std::max(atom->nlocal, 1));
    return deviations_.data();
}

double PairAmptorch::memory_usage() {
    const std::size_t doubles = vectors_.capacity() + gradients_.capacity() + shares_.capacity();
    const std::size_t indices = species_.capacity() + neighbors_.capacity();
    return Pair::memory_usage() + static_cast<double>(sizeof(double) * doubles + sizeof(Index) * indices);
}

}  // namespace LAMMPS_NS
