// The interval of a share.
#pragma once

namespace safelight {

inline constexpr double kNormal95 = 1.959963984540054;   // the normal distribution's, for 95 % on two sides

// `low` to `high` for `hits` of `n`, both 0..1 (Wilson 1927). Everything, 0 to 1, for n = 0.
struct ShareInterval {
  double low = 0, high = 1;
};
ShareInterval wilson_interval(double hits, double n, double z = kNormal95);

}  // namespace safelight
