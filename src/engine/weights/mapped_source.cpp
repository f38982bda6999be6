#include "engine/weights/mapped_source.h"

#include <ATen/ATen.h>

#include "common/base/error.h"

namespace safelight {
namespace {

class Mapped final : public WeightSource {
 public:
  Mapped(std::shared_ptr<const WeightSource> whole, std::shared_ptr<const SingleFileMap> map, const std::string& component) : whole_(std::move(whole)), map_(std::move(map)) {
    for (const MappedTensor& t : map_->tensors)
      if (t.component == component) {
        tensors_[t.key] = &t;
        shapes_[t.key] = t.shape;
      }
  }
  const Shapes& shapes() const override { return shapes_; }

  at::Tensor read(const std::string& key) const override {
    const MappedTensor& t = tensor(key);
    if (t.op == MappedTensor::Op::identity) return at::eye(t.shape.front());
    const at::Tensor whole = whole_->read(t.source);
    switch (t.op) {
      case MappedTensor::Op::transpose: return whole.t().contiguous();
      case MappedTensor::Op::rows: return whole.slice(0, t.first_row, t.first_row + t.rows);
      case MappedTensor::Op::swap_halves: return at::cat({whole.slice(0, whole.size(0) / 2), whole.slice(0, 0, whole.size(0) / 2)}, 0);
      default: return whole.view(t.shape);
    }
  }

  std::optional<Blocks> read_blocks(const std::string& key) const override {
    const MappedTensor& t = tensor(key);
    if (t.op == MappedTensor::Op::transpose || t.op == MappedTensor::Op::identity) return std::nullopt;
    auto blocks = whole_->read_blocks(t.source);
    if (!blocks) return std::nullopt;
    // Blocks lie row by row, so rows are ranges of bytes.
    const int64_t rows = whole_->shapes().at(t.source).front(), row_bytes = blocks->bytes.numel() / rows;
    const auto range = [&](int64_t from, int64_t to) { return blocks->bytes.slice(0, from * row_bytes, to * row_bytes); };
    if (t.op == MappedTensor::Op::rows) blocks->bytes = range(t.first_row, t.first_row + t.rows);
    if (t.op == MappedTensor::Op::swap_halves) blocks->bytes = at::cat({range(rows / 2, rows), range(0, rows / 2)}, 0);
    return blocks;
  }

  std::string where(const std::string& key) const override {
    const MappedTensor& t = tensor(key);
    return t.source.empty() ? "tensor '" + key + "', which no file holds," : whole_->where(t.source);
  }
  std::string name() const override { return whole_->name(); }

 private:
  const MappedTensor& tensor(const std::string& key) const {
    const auto it = tensors_.find(key);
    if (it == tensors_.end()) throw Error(ErrorCode::not_found, "'" + name() + "' holds nothing for '" + key + "'");
    return *it->second;
  }

  std::shared_ptr<const WeightSource> whole_;
  std::shared_ptr<const SingleFileMap> map_;
  std::map<std::string, const MappedTensor*> tensors_;
  Shapes shapes_;
};

}  // namespace

std::shared_ptr<const WeightSource> mapped_source(std::shared_ptr<const WeightSource> whole, std::shared_ptr<const SingleFileMap> map, const std::string& component) {
  return std::make_shared<Mapped>(std::move(whole), std::move(map), component);
}

}  // namespace safelight
