#include "entries.h"

#include <cstdlib>
#include <stdexcept>

namespace amptorch::plugin {
namespace {

constexpr const char* title = "amptorch potential for LAMMPS, version ";
constexpr const char* version = "2";

// Words of a text one after the other.
class Reader {
public:
    explicit Reader(const std::string& text) : at_(text.c_str()) {}

    std::string line() {
        const char* begin = at_;
        while (*at_ && *at_ != '\n') ++at_;
        return {begin, at_};
    }

    // Empty at the end.
    std::string word() {
        while (is_space(*at_)) ++at_;
        const char* begin = at_;
        while (*at_ && !is_space(*at_)) ++at_;
        return {begin, at_};
    }

    double number() {
        char* end = nullptr;
        const double value = std::strtod(at_, &end);
        return taken(end), value;
    }

    std::int64_t integer() {
        char* end = nullptr;
        const std::int64_t value = std::strtoll(at_, &end, 10);
        return taken(end), value;
    }

private:
    static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

    void taken(const char* end) {
        if (end == at_) throw std::runtime_error("the file of the potential is cut or edited");
        at_ = end;
    }

    const char* at_;
};

template <typename T, typename Next>
std::vector<T> list(std::int64_t n, Next next) {
    std::vector<T> values;
    for (std::int64_t k = 0; k < n; ++k) values.push_back(next());
    return values;
}

void check_title(const std::string& line) {
    const std::string expected = std::string(title) + version;
    if (line.rfind(title, 0) != 0) {
        throw std::runtime_error("expected a file that begins with '" + expected + "'");
    }
    if (line != expected) {
        throw std::runtime_error("this plugin reads files of version " + std::string(version) +
                                 ", and this one says '" + line +
                                 "': build the plugin with the amptorch that wrote it");
    }
}

template <typename T>
const std::vector<T>& found(const std::map<std::string, std::vector<T>>& lists,
                            const std::string& name) {
    const auto place = lists.find(name);
    if (place == lists.end()) throw std::runtime_error("the potential's file has no " + name);
    return place->second;
}

template <typename T>
const T& only(const std::vector<T>& values, const std::string& name) {
    if (values.size() != 1) throw std::runtime_error(name + ": expected one value");
    return values[0];
}

}  // namespace

Entries::Entries(const std::string& text) {
    Reader reader(text);
    check_title(reader.line());
    for (std::string name; (name = reader.word()) != "end";) {
        const std::string kind = reader.word();
        const std::int64_t n = reader.integer();
        if (kind == "words") words_[name] = list<std::string>(n, [&] { return reader.word(); });
        else if (kind == "integers")
            integers_[name] = list<std::int64_t>(n, [&] { return reader.integer(); });
        else if (kind == "numbers") numbers_[name] = list<double>(n, [&] { return reader.number(); });
        else throw std::runtime_error(name + ": expected words, integers or numbers, got " + kind);
    }
}

const std::vector<std::string>& Entries::words(const std::string& name) const {
    return found(words_, name);
}

const std::vector<std::int64_t>& Entries::integers(const std::string& name) const {
    return found(integers_, name);
}

const std::vector<double>& Entries::numbers(const std::string& name) const {
    return found(numbers_, name);
}

const std::string& Entries::word(const std::string& name) const { return only(words(name), name); }

std::int64_t Entries::integer(const std::string& name) const {
    return only(integers(name), name);
}

double Entries::number(const std::string& name) const { return only(numbers(name), name); }

}  // namespace amptorch::plugin
