// Every protocol that goes over the network. Adding one: its file, a declaration here and a line in the list.
#include "service/providers/provider.h"

namespace safelight {

ProviderEntry comfyui();
ProviderEntry gemini_generate_content();
ProviderEntry google_predict();
ProviderEntry openai_images();
ProviderEntry sdcpp();

const std::vector<ProviderEntry>& provider_table() {
  static const std::vector<ProviderEntry> table = {
      openai_images(), gemini_generate_content(), google_predict(), comfyui(), sdcpp(),
  };
  return table;
}

const std::vector<ProtocolName>& protocol_names() {
  static const std::vector<ProtocolName> names = [] {
    std::vector<ProtocolName> out;
    for (const ProviderEntry& entry : provider_table()) out.push_back({entry.name, entry.dialects});
    out.push_back({"local", {}});  // the engine, connected by whoever has it
    return out;
  }();
  return names;
}

}  // namespace safelight
