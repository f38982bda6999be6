// A tensor's sketch: its random projection to few numbers, which keeps distances (Johnson and Lindenstrauss 1984; signs as in Achlioptas,
// doi:10.1016/S0022-0000(03)00025-4). Two runs' tensors can be compared later by what is left of them in their traces.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace safelight {

inline constexpr std::size_t kSketch = 32;   // distances come out within about 13 % (one standard deviation)

// Linear in the values; the length of the result estimates the length of `values`. The projection depends on the place alone, so that sketches of
// equally long tensors can be compared wherever they were made.
std::array<double, kSketch> sketch(std::span<const float> values);

// |a - b| / |b|; 0 when both are nothing, infinite when b alone is or the sizes differ. NaN anywhere counts as infinite.
double relative_distance(std::span<const double> a, std::span<const double> b);

}  // namespace safelight
