// What an images endpoint in OpenAI's shape answers, as an outcome.
#pragma once

#include "service/providers/provider.h"

namespace safelight {

// A whole answer: pictures, or the failure that it means.
CallOutcome openai_answer(const HttpReply& reply, const ProviderCall& call);

// An answer as events. Feed it while it comes, so that previews are handed on at once; then ask for the outcome.
class OpenAiEvents {
 public:
  explicit OpenAiEvents(const ProviderCall& call) : call_(call) {}
  void take(const std::string& event_name, const std::string& data);
  // `residue`: what stood between the events.
  CallOutcome outcome(const HttpReply& reply, const std::string& residue);

 private:
  const ProviderCall& call_;
  CallOutcome outcome_;
  std::string error_;              // the first error object, as JSON
};

}  // namespace safelight
