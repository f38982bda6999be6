#include "service/jobs/batch_style.h"

#include "common/formats/png.h"
#include "service/router/batch.h"

namespace safelight {

Json style_report(const std::vector<Picture>& pictures, const ObjectStore& objects) {
  std::vector<ImageStatistics> statistics;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    if (pictures[i].mime != "image/png") continue;
    statistics.push_back(image_statistics(decode_png(objects.get(pictures[i].object), "picture " + std::to_string(i) + " of the batch")));
    indices.push_back(i);
  }
  if (statistics.size() < 2) return nullptr;
  const StyleSpread spread = style_spread(statistics);
  Json out = {{"figures", Json::object()}, {"odd_one", nullptr}, {"odd_by", spread.odd_by}};
  for (const StyleFigure& f : spread.figures) out["figures"][f.statistic] = {{"mean", f.mean}, {"deviation", f.deviation}};
  if (spread.odd_one >= 0) out["odd_one"] = indices[static_cast<std::size_t>(spread.odd_one)];
  return out;
}

}  // namespace safelight
