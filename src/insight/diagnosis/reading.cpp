#include "insight/diagnosis/reading.h"

namespace safelight {

double Reading::together() const {
  double sum = 0;
  for (const WordReading& w : words) sum += w.help;
  return sum;
}

}  // namespace safelight
