#include "finish/typography/text_reader.h"

#include <tesseract/baseapi.h>

#include <vector>

#include "common/base/error.h"
#include "finish/typography/text_metric.h"

// Of OpenMP, which Tesseract is built with; declared here since its header comes with a compiler flag that nothing else needs.
extern "C" {
int omp_get_max_active_levels(void);
void omp_set_max_active_levels(int);
}

namespace safelight {
namespace {

// Tesseract's four threads wait for each other longer than they work on a line (tesseract issue 898): no parallel regions while this lives.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_active_levels()) { omp_set_max_active_levels(0); }
  ~OneThread() { omp_set_max_active_levels(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace

struct TextReader::Impl {
  tesseract::TessBaseAPI api;
};

TextReader::TextReader() : impl_(std::make_unique<Impl>()) {
  const std::vector<std::string> names = {"load_system_dawg", "load_freq_dawg", "load_punc_dawg", "load_number_dawg", "load_bigram_dawg"}, values(names.size(), "0");
  if (impl_->api.Init(nullptr, "eng", tesseract::OEM_LSTM_ONLY, nullptr, 0, &names, &values, false) != 0)
    throw Error(ErrorCode::unavailable, "Tesseract finds no English model: install the package tesseract-ocr-eng");
  impl_->api.SetVariable("debug_file", "/dev/null");
  // Lines come dark on white. Light on dark in one of them is a board with holes where its letters are, and must not be read for them.
  impl_->api.SetVariable("tessedit_do_invert", "0");
  impl_->api.SetPageSegMode(tesseract::PSM_SINGLE_LINE);
}

TextReader::~TextReader() { impl_->api.End(); }

std::string TextReader::id() const { return std::string("tesseract-") + tesseract::TessBaseAPI::Version() + "/eng/lines-1"; }

LineReading TextReader::read(const Image& gray) {
  const OneThread quiet;
  impl_->api.ClearAdaptiveClassifier();  // a reading depends on its picture alone
  impl_->api.SetImage(gray.pixels.data(), gray.width, gray.height, 1, gray.width);
  impl_->api.SetSourceResolution(150);
  const std::unique_ptr<char[]> text(impl_->api.GetUTF8Text());
  LineReading out;
  if (text) out.text = collapse_blanks(text.get());
  if (!out.text.empty()) out.confidence = impl_->api.MeanTextConf() / 100.0;
  impl_->api.Clear();
  return out;
}

LineReading TextReader::read(const InkedLine& line) {
  const double smooth = 0.03 * line.place.height;
  LineReading best;
  for (const Image& prepared : {level_line(line, 40, 0, false), level_line(line, 40, smooth, true), level_line(line, 64, smooth / 2, true)})
    if (LineReading r = read(prepared); r.confidence > best.confidence) best = std::move(r);
  return best;
}

}  // namespace safelight
