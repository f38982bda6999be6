// One request and its promise, as flags give them, and the router that decides on it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/service/commands.h"
#include "service/router/router.h"

namespace safelight::app {

struct RouteFlags {
  ImageRequest image;
  std::string slo, mode, unsupported = "strict", job = "plan";
  std::vector<std::string> catalogue;
};
void add_route_flags(CLI::App& command, RouteFlags& flags);

// The SLO of a file, or without one a cautious one: free rows only. A mode takes the place of its own. Throws what read_slo() throws.
Slo slo_of(const std::string& file, const std::string& mode);

// A router that has declared the SLO and knows the score boards and what the ledger in runs_dir remembers. Warnings are for people.
std::unique_ptr<Router> informed_router(const Catalogue& catalogue, const Slo& slo, const std::filesystem::path& runs_dir, std::vector<std::string>& warnings);

// Now, for decisions of one command: the wall clock is its steady clock too, so that what a ledger remembers has its place in time.
Moment moment_now();

// `safelight run --plan`: decides, sends nothing.
RoutePlan plan_route(const RouteFlags& flags, const ServiceContext& context, std::vector<std::string>& warnings);
void print_plan(const RoutePlan& plan, const std::vector<std::string>& warnings, bool json);

}  // namespace safelight::app
