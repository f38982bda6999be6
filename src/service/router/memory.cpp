#include "service/router/memory.h"

#include <algorithm>

namespace safelight {
namespace {

constexpr std::int64_t kHour_ms = 3'600'000, kDay_ms = 24 * kHour_ms;

void remember_attempt(Router& router, const ModelRow& row, const AttemptRecord& a, std::int64_t age_ms, const Moment& now) {
  const std::int64_t ended_ms = now.steady_ms - std::max<std::int64_t>(0, age_ms);
  const auto took_ms = static_cast<double>(a.duration_ms);
  if (!a.failure) {
    router.statistics().answered(row.id, took_ms, ended_ms);
    if (age_ms < kHour_ms) router.health().succeeded(row, ended_ms);
    return;
  }
  const FailureTraits& t = traits(a.failure->failure);
  if (t.health != HealthEffect::none) router.statistics().failed(row.id, took_ms, ended_ms);
  if (age_ms < kHour_ms && !t.disables_credential) router.health().failed(row, *a.failure, ended_ms);
}

}  // namespace

std::string job_prefix(const std::string& slo) { return slo + "/"; }

void remember(Router& router, const Catalogue& catalogue, const std::string& slo, const std::vector<AttemptRecord>& attempts, const Moment& now) {
  std::vector<AttemptRecord> own;
  for (const AttemptRecord& a : attempts) {
    if (a.job.starts_with(job_prefix(slo))) own.push_back(a);
    const std::int64_t age_ms = now.unix_ms - a.started_unix_ms - a.duration_ms;
    const ModelRow* row = catalogue.find(a.model);
    if (row && a.ended && age_ms < kDay_ms) remember_attempt(router, *row, a, age_ms, now);
  }
  router.spending().restore(slo, own);
}

}  // namespace safelight
