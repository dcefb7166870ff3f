// pair_style amptorch: potentials of amptorch in LAMMPS, see docs/lammps.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pair.h"
#include "potential.h"

namespace LAMMPS_NS {

class PairAmptorch : public Pair {
public:
    explicit PairAmptorch(LAMMPS*);
    ~PairAmptorch() override;

    void settings(int, char**) override;
    void coeff(int, char**) override;
    void init_style() override;
    double init_one(int, int) override;
    void compute(int, int) override;
    void finish() override;
    void* extract(const char*, int&) override;
    void* extract_peratom(const char*, int&) override;
    int pack_reverse_comm(int, int, double*) override;
    void unpack_reverse_comm(int, int*, double*) override;
    double memory_usage() override;

private:
    using Index = amptorch::Index;

    bool has_grades() const;
    void allocate();
    void read(const std::string& path);
    std::string text_of(const std::string& path);
    void map_types(char** names);

    void begin_step();
    void gather(int begin, int n);
    void add_neighbors(int i);
    void evaluate(int n);
    void add(int begin, int n, std::size_t member);
    void add_grades(int begin, int n, std::size_t member);
    void add_forces(int i, const Index* pairs, std::size_t member);
    void add_virials(int i, const Index* pairs);
    void hand_out();

    // Forces, and per-atom virials, of an atom that go home by a communication of our own.
    double* share(int atom) { return shares_.data() + std::size_t(atom) * stride_; }

    std::vector<std::unique_ptr<amptorch::plugin::Potential>> members_;
    std::vector<std::string> symbols_;  // of the potential's elements
    std::vector<int> species_of_;       // [ntypes + 1], -1 for NULL
    double cutoff_ = 0;
    bool above_zbl_ = false;

    // What a step works on: some centres at a time. Species are those of the centres, then of all
    // atoms, ghosts too.
    std::vector<Index> species_, first_, neighbors_;
    std::vector<double> vectors_, energies_, gradients_;
    // Of one centre: neighbours within the cutoff as they come, and how many of each species.
    std::vector<int> near_;
    std::vector<double> near_vectors_;
    std::vector<Index> places_;

    bool shared_ = false;
    int stride_ = 0;
    std::vector<double> shares_, deviations_;
    // Extrapolation grades of atoms, the largest of the members that know them, in steps that are asked
    // for, and of the centres that are worked on.
    std::vector<double> grades_, own_grades_;
    int wants_grades_ = 0;
    std::int64_t outside_ = 0;  // atoms, over the steps of a run
    bool warned_ = false;
};

}  // namespace LAMMPS_NS
