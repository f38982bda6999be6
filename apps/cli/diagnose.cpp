#include <cstdlib>

#include "apps/cli/context.h"
#include "apps/cli/diagnose_picture.h"
#include "apps/cli/known_failures.h"
#include "apps/console/region.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "insight/diagnosis/symptoms.h"
#include "insight/diagnosis/text.h"
#include "insight/signatures/external.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string run = "latest";
  int counterfactuals = 25;
  std::string signatures;
  std::string looks, region;
  std::string lookup;   // KIND=URL,...; empty: as SAFELIGHT_LOOKUP says, or nothing is looked up
};

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// What a person may say of the picture as a whole, beside the symptoms of a region.
constexpr const char* kUnlikePrompt = "prompt";

std::optional<Looks> looks_of(const Arguments& a) {
  if (a.looks == kUnlikePrompt && a.region.empty()) return {};
  if (a.looks.empty()) {
    if (!a.region.empty()) throw Error(ErrorCode::invalid_argument, "--region says where; say with --looks what is seen there");
    return {};
  }
  Looks looks{.symptom = symptom_named(a.looks).name, .region = {}, .picture = {}};
  if (a.region.empty()) return looks;
  looks.region = region_of(a.region);
  return looks;
}

// A picture is a file; a run is a directory or an id.
bool is_picture(const std::string& name) { return std::filesystem::is_regular_file(name); }

int diagnose_one(const Arguments& a, Context& context) {
  const SignatureLibrary library = open_signatures(a.signatures);
  const auto endpoints = lookup_endpoints(a.lookup.empty() ? setting("SAFELIGHT_LOOKUP") : a.lookup, setting("SAFELIGHT_GITHUB_TOKEN"));
  ProgressBar bar(true);
  const DiagnoseProgress progress = [&](const std::string& what, double part) { bar.show("diagnosing", part, 0, what + ","); };
  const DiagnoseOptions options{.counterfactuals = a.counterfactuals, .looks = looks_of(a), .unlike_prompt = a.looks == kUnlikePrompt};
  Json json;
  Verdict verdict;
  if (is_picture(a.run)) {
    PictureDiagnosis picture = diagnose_picture(context, a.run, options, progress);
    if (!context.common.json) print_line(picture_text(picture));
    json = to_json(picture);
    json["picture"] = a.run;
    verdict = std::move(picture.verdict);
  } else {
    const auto run = context.find_run(a.run);
    json["run"] = run.string();
    verdict = diagnose_run(context.engine(), run, options, progress);
  }
  const auto matches = add_signatures(library, verdict);
  json["verdict"] = to_json(verdict);
  json["known_failures"] = matches_json(matches);
  const ExternalLookup outside = look_up(verdict, library, endpoints, curl_lookup());
  if (!endpoints.empty()) json["external"] = to_json(outside);
  if (context.common.json) {
    print_json(json);
    return 0;
  }
  print_line(verdict_text(verdict));
  for (const SignatureMatch& m : matches) print_line(match_text(m));
  if (const std::string text = lookup_text(outside); !text.empty()) print_line(text);
  return 0;
}

}  // namespace

Command diagnose_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("diagnose", "Say what broke a stored run or a picture, and prove it by reruns");
  c->add_option("run", a->run, "id or directory of a run, latest, or a PNG file with its generation parameters");
  c->add_option("--counterfactuals", a->counterfactuals, "reruns that may be spent")->check(CLI::Range(0, 1000));
  c->add_option("--looks", a->looks, "what you see: text, banding, colour, contrast, blur, noise, seams, duplicated, detached, missing, merged, layout; or prompt: it does not show what was asked for");
  c->add_option("--region", a->region, "where you see it, in pixels: x,y,w,h; the whole picture without it");
  c->add_option("--signatures", a->signatures, "directory with JSON files of your own signatures; also SAFELIGHT_SIGNATURES");
  c->add_option("--lookup", a->lookup, "also search outside: searxng=URL, github=https://api.github.com, or both with a comma; also SAFELIGHT_LOOKUP");
  return {c, [a, &context] { return diagnose_one(*a, context); }};
}

}  // namespace safelight::app
