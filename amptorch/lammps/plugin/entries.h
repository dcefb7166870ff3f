// The file of a potential: named lists of words, integers and numbers. Its form: amptorch/lammps/file.py.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace amptorch::plugin {

class Entries {
public:
    // From the text of a file. Throws std::runtime_error where it is another one, or is cut.
    explicit Entries(const std::string& text);

    // Lists and single values by name. Throw std::runtime_error where there is none.
    const std::vector<std::string>& words(const std::string& name) const;
    const std::vector<std::int64_t>& integers(const std::string& name) const;
    const std::vector<double>& numbers(const std::string& name) const;
    const std::string& word(const std::string& name) const;
    std::int64_t integer(const std::string& name) const;
    double number(const std::string& name) const;

private:
    std::map<std::string, std::vector<std::string>> words_;
    std::map<std::string, std::vector<std::int64_t>> integers_;
    std::map<std::string, std::vector<double>> numbers_;
};

}  // namespace amptorch::plugin
