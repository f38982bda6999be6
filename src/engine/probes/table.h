#pragma once

#include <memory>
#include <vector>

#include "engine/pipelines/probe.h"

namespace safelight {

const std::vector<ProbeEntry>& probe_table();
std::vector<std::unique_ptr<Probe>> make_probes();  // one of each, in table order

}  // namespace safelight
