#include "bridge/shared_texts.h"

#include <list>
#include <mutex>

namespace safelight {
namespace {

constexpr std::size_t kMostTexts = 64;   // a sweep's prompt, its negative, and the prompts of known answers

struct Asked {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::vector<float>> weights;
  int clip_skip = 0;
  bool negative = false;
  bool operator==(const Asked&) const = default;
};

Asked asked_of(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& options) {
  Asked out{.ids = {}, .weights = {}, .clip_skip = options.clip_skip, .negative = options.negative};
  for (const TokenizedPrompt& t : tokens) {
    out.ids.push_back(t.ids);
    out.weights.push_back(t.weights);
  }
  return out;
}

class RememberingEncoder final : public PromptEncoderDecorator {
 public:
  using PromptEncoderDecorator::PromptEncoderDecorator;
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& options) const override {
    const Asked asked = asked_of(tokens, options);
    const std::lock_guard lock(mutex_);
    for (const auto& [known, encoded] : known_)
      if (known == asked) return encoded;
    known_.emplace_front(asked, inner().encode(tokens, options));
    if (known_.size() > kMostTexts) known_.pop_back();
    return known_.front().second;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::list<std::pair<Asked, EncodedPrompt>> known_;   // the newest first
};

}  // namespace

EngineSettings with_shared_texts(EngineSettings settings) {
  settings.wrap = [inner = settings.wrap](std::shared_ptr<const Components> model) {
    if (inner) model = inner(model);
    auto out = std::make_shared<Components>(*model);
    out->prompt = std::make_shared<RememberingEncoder>(model->prompt);
    return out;
  };
  return settings;
}

}  // namespace safelight
