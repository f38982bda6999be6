// Which scenes a pool of rows holds while a training goes on: an eighth of every batch is new and takes the place of the oldest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace safelight {

// What a pool holds before a step depends on the step alone: a training that goes on sees what one that never stopped sees.
class RollingRows {
 public:
  RollingRows(int64_t pool, int64_t batch) : pool_(pool), fresh_(std::max<int64_t>(1, batch / 8)) {}

  // Calls put(numbers of scenes, rows that they go to) until every row holds what it holds before `step`. As many at a time as
  // later steps bring: kernels may round otherwise for other sizes.
  template <class Put>
  void fill(int64_t step, Put&& put) const {
    const int64_t written = step * fresh_;
    for (int64_t begin = 0; begin < pool_; begin += fresh_) {
      std::vector<int64_t> numbers, rows;
      for (int64_t row = begin; row < std::min(begin + fresh_, pool_); ++row) {
        const int64_t rounds = written > row ? (written - 1 - row) / pool_ + 1 : 0;  // how often the row was written anew
        numbers.push_back(row + rounds * pool_);
        rows.push_back(row);
      }
      put(numbers, rows);
    }
  }

  // The same for the scenes that are new at `step`.
  template <class Put>
  void refresh(int64_t step, Put&& put) const {
    std::vector<int64_t> numbers, rows;
    for (int64_t k = step * fresh_; k < (step + 1) * fresh_; ++k) {
      numbers.push_back(pool_ + k);
      rows.push_back(k % pool_);
    }
    put(numbers, rows);
  }

 private:
  int64_t pool_, fresh_;
};

}  // namespace safelight
