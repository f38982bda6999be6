// How unusual a picture's statistics are together. Each may lie inside its own band while no healthy picture ever showed
// that combination: the Mahalanobis distance (Mahalanobis 1936) from the healthy runs, on log-compressed features, with
// a ridge on the correlation matrix and without the farthest runs (a trimmed estimate).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/json.h"

namespace safelight {

struct JointBand {
  std::vector<std::string> names;
  std::vector<double> mean, scale;
  std::vector<std::vector<double>> factor;  // lower triangular Cholesky factor of the correlation matrix
  double limit = 0;                         // the distance that 98 % of healthy runs keep, and a tenth more

  // 0 up to the limit; then the distance beyond it in units of the limit. 0 too when a feature is missing or there is no band.
  double deviation(const std::map<std::string, double>& features) const;
};

using Features = std::vector<std::pair<std::string, double>>;

// An empty band (limit 0) when there are too few runs for the number of features.
JointBand joint_band(const std::vector<Features>& healthy);
Json to_json(const JointBand& band);
// Throws Json::exception or std::invalid_argument on another shape.
JointBand joint_band_from_json(const Json& json);

}  // namespace safelight
