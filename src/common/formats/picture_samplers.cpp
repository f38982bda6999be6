// The names of samplers and spacings elsewhere, and ours. One table each.
#include <algorithm>

#include "common/formats/picture_parameters.h"

namespace safelight {
namespace {

struct Name {
  const char* theirs;  // small letters, without blanks, '_' and '-'; "dpmpp" written as "dpm++"
  const char* ours;
};

constexpr Name kSamplers[] = {
    {"euler", "euler"},          {"eulera", "euler-ancestral"},      {"eulerancestral", "euler-ancestral"}, {"heun", "heun"},
    {"lms", "lms"},              {"dpm2", "dpm2"},                   {"dpm2a", "dpm2-ancestral"},           {"dpm2ancestral", "dpm2-ancestral"},
    {"dpm++2m", "dpmpp-2m"},     {"dpm++2msde", "dpmpp-2m-sde"},     {"dpm++2msdegpu", "dpmpp-2m-sde"},     {"dpm++3m", "dpmpp-3m"},
    {"dpm++2s", "dpmpp-2s"},     {"ddim", "ddim"},                   {"ddpm", "ddpm"},                      {"plms", "pndm"},
    {"pndm", "pndm"},            {"unipc", "unipc"},                 {"lcm", "lcm"},                        {"tcd", "tcd"},
    {"deis", "deis"},            {"flowheun", "flow-heun"},          {"floweuler", "flow-euler"},           {"flowdpm++2m", "flow-dpmpp-2m"},
    {"edmeuler", "edm-euler"},   {"edmdpm++2m", "edm-dpmpp-2m"},
};

constexpr Name kSpacings[] = {
    {"karras", "karras"},       {"exponential", "exponential"},  {"sgmuniform", "sgm-uniform"}, {"beta", "beta"},
    {"linspace", "linspace"},   {"leading", "leading"},          {"ddimuniform", "leading"},    {"trailing", "trailing"},
    {"simple", "trailing"},
};

std::string plain(std::string text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '_' && c != '-' && c != '[' && c != ']') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::size_t at = 0; (at = out.find("dpmpp", at)) != std::string::npos;) out.replace(at, 5, "dpm++");
  return out;
}

template <std::size_t N>
const char* ours(const Name (&table)[N], const std::string& theirs) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const Name& n) { return theirs == n.theirs; });
  return found == std::end(table) ? nullptr : found->ours;
}

}  // namespace

void translate_sampler(const std::string& sampler, const std::string& spacing, PictureParameters& out) {
  std::string name = plain(sampler), grid = plain(spacing);
  if (!ours(kSamplers, name))
    for (const Name& s : kSpacings)     // "DPM++ 2M Karras"
      if (name.ends_with(s.theirs) && ours(kSamplers, name.substr(0, name.size() - std::string(s.theirs).size()))) {
        name.resize(name.size() - std::string(s.theirs).size());
        if (grid.empty() || grid == "automatic") grid = s.theirs;
      }
  if (const char* solver = ours(kSamplers, name)) {
    out.request.scheduler.solver = solver;
    out.known.push_back("scheduler.solver");
  } else {
    out.unknown.push_back("the sampler '" + as_utf8(sampler.substr(0, 60)) + "' has no counterpart here");
  }
  if (grid.empty() || grid == "automatic" || grid == "normal" || grid == "discrete" || grid == "uniform" || grid == "default") return;  // the model's own
  if (const char* known = ours(kSpacings, grid)) {
    out.request.scheduler.spacing = known;
    out.known.push_back("scheduler.spacing");
  } else {
    out.unknown.push_back("the spacing '" + as_utf8(spacing.substr(0, 60)) + "' has no counterpart here");
  }
}

}  // namespace safelight
