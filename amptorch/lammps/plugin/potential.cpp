#include "potential.h"

#include <map>
#include <stdexcept>
#include <utility>

#include "nep_zbl.h"

namespace amptorch::plugin {
namespace {

using Maker = std::unique_ptr<Potential> (*)(const Entries&);

// By what a file calls "potential".
const std::map<std::string, Maker> makers{
    {"fingerprints", make_fingerprint_potential},
    {"nep", make_nep},
    {"ace", make_ace},
};

}  // namespace

std::unique_ptr<Potential> make_potential(const Entries& entries) {
    const std::string& name = entries.word("potential");
    const auto maker = makers.find(name);
    if (maker == makers.end()) {
        throw std::runtime_error("this plugin knows no potential of the kind " + name +
                                 ": build it with the amptorch that wrote the file");
    }
    auto made = maker->second(entries);
    if (entries.numbers("nep_zbl").empty()) return made;
    return std::make_unique<WithNepZbl>(entries, std::move(made));
}

}  // namespace amptorch::plugin
