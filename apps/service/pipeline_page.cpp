#include "apps/service/pipeline_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/console/page.h"
#include "apps/service/pipelines.h"
#include "apps/service/route_page.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/markup.h"
#include "common/formats/png.h"
#include "common/measure/lanczos.h"
#include "service/providers/attempt_json.h"
#include "service/providers/encoding.h"

namespace safelight::app {
namespace {

constexpr int kLongest_px = 768;   // larger pictures are made smaller for the page

constexpr const char* kStyle = R"(
.stage-card { margin-bottom: 14px; } .stage-card h2 { margin-top: 0; } .stage-card h2 b { color: var(--text); text-transform: none; letter-spacing: 0; font-size: 17px; }
.ports { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; } .ports > div { min-width: 0; } .pictures { display: flex; flex-wrap: wrap; gap: 10px; } .pictures figure { width: 180px; } .pictures img { width: 180px; image-rendering: pixelated; border-radius: 4px; display: block; }
.pictures .missing { width: 180px; height: 120px; } .overview i { display: block; height: 9px; background: var(--amber); border-radius: 4px; min-width: 1px; } .overview td:nth-child(4) { width: 34%; }
.badge.waiting, .badge.uncertain, .badge.skipped, .badge.interrupted, .badge.running, .badge.pending { background: var(--amber); } .badge.done { background: var(--green); } .attempts { overflow-x: auto; } .failed { color: var(--red); }
.stage-card td, .stage-card th { overflow-wrap: break-word; } code { font-size: 12px; overflow-wrap: anywhere; } pre { overflow-x: auto; font-size: 12px; } ul { margin: 4px 0; padding-left: 20px; font-size: 13px; }
@media (max-width: 760px) { .ports { grid-template-columns: 1fr; } }
)";

std::string badge(const std::string& state) { return "<span class=\"badge " + escaped_markup(state) + "\">" + escaped_markup(state) + "</span>"; }

std::string definition(const std::string& name, const std::string& markup) { return markup.empty() ? "" : "<dt>" + escaped_markup(name) + "</dt><dd>" + markup + "</dd>\n"; }

std::string hash(const std::string& sha256) { return sha256.empty() ? "" : "<code>" + escaped_markup(sha256) + "</code>"; }

bool can_be_shown(const std::string& mime) { return mime == "image/png" || mime == "image/jpeg" || mime == "image/webp"; }

// A picture's bytes as the page holds them: PNG files that are larger than the page shows are made smaller.
std::string for_page(const Picture& p, const std::string& bytes) {
  const int longest = std::max(p.width_px, p.height_px);
  if (p.mime != "image/png" || longest <= kLongest_px) return bytes;
  const auto side = [&](int px) { return std::max(1, static_cast<int>(static_cast<std::int64_t>(px) * kLongest_px / longest)); };
  return encode_png(lanczos_resized(decode_png(bytes, "picture " + p.object), side(p.width_px), side(p.height_px)), {});
}

class Page {
 public:
  Page(const RunRecord& run, const Pipeline& pipeline, const std::vector<StageEntry>& kinds, const ObjectStore& objects, const std::vector<AttemptRecord>& ledger)
      : run_(run), pipeline_(pipeline), kinds_(kinds), objects_(objects), ledger_(ledger), report_(report_of(run, pipeline.stages.size())) {}

  std::string html() {
    std::string body = overview();
    for (std::size_t i = 0; i < pipeline_.stages.size(); ++i) body += stage(i);
    return html_page("Safelight: pipeline " + pipeline_.name, pipeline_.prompt, body, kStyle);
  }

 private:
  // Null: the stage has not begun.
  const StageRecord* record(std::size_t i) const { return i < run_.stages.size() ? &run_.stages[i] : nullptr; }
  static double ms_of(const StageRecord& r) { return static_cast<double>(std::max<std::int64_t>(0, r.ended_unix_ms - r.started_unix_ms)); }

  std::string overview() const {
    const std::string state = report_["state"].get<std::string>();
    std::vector<std::vector<std::string>> rows;
    double longest_ms = 1;
    for (const StageRecord& r : run_.stages) longest_ms = std::max(longest_ms, ms_of(r));
    for (std::size_t i = 0; i < pipeline_.stages.size(); ++i) {
      const StageSpec& spec = pipeline_.stages[i];
      const StageRecord* r = record(i);
      const std::string link = fmt::format("<a href=\"#stage-{}\">{}</a>", i, escaped_markup(spec.name));
      if (!r) rows.push_back({link, escaped_markup(spec.kind), badge("pending"), "", "", ""});
      else rows.push_back({link, escaped_markup(spec.kind), badge(std::string(name(r->state))), fmt::format("<i style=\"width:{:.1f}%\"></i>", 100 * ms_of(*r) / longest_ms), shown_ms(ms_of(*r)),
                           shown_usd(r->usd, r->possible_usd) + (r->reused ? "<small> by an earlier run</small>" : "")});
    }
    return "<section class=\"overview stage-card\"><p class=\"sentence\">" + badge(state) + " <span id=\"sentence\">" + escaped_markup(fmt::format("{}: {} in {} stages, {}", pipeline_.name, shown_ms(report_["ms"].get<double>()), pipeline_.stages.size(), shown_usd(report_["usd"].get<double>(), report_["possible_usd"].get<double>()))) +
           "</span></p><dl>" + definition("run", "<code>" + escaped_markup(run_.id) + "</code>") + definition("began", shown_time(run_.created_unix_ms)) + definition("promise", escaped_markup(pipeline_.slo.name)) +
           definition("file", escaped_markup(run_.source.file)) + definition("deliveries", escaped_markup(run_.folder)) + "</dl>\n" + html_table({"stage", "kind", "state", "time", "", "cost"}, rows) + "</section>\n";
  }

  std::string stage(std::size_t i) {
    const StageSpec& spec = pipeline_.stages[i];
    const StageRecord* r = record(i);
    const StageEntry* kind = find_stage(spec.kind, kinds_);
    std::string out = fmt::format("<section class=\"stage-card\" id=\"stage-{}\"><h2>{} <b>{}</b> {} {}</h2>\n", i, i + 1, escaped_markup(spec.name), escaped_markup(spec.kind), badge(r ? std::string(name(r->state)) : "pending"));
    if (kind) out += "<p class=\"note\">" + escaped_markup(kind->summary) + "</p>\n";
    if (!r) return out + "</section>\n";
    if (!r->message.empty()) out += "<p class=\"warning message\">" + escaped_markup(r->message) + "</p>\n";
    out += "<dl>" + definition("began", shown_time(r->started_unix_ms)) + definition("took", shown_ms(ms_of(*r))) + definition("cost", shown_usd(r->usd, r->possible_usd)) +
           definition("done by", r->reused ? "an earlier run with the same content; nothing was redone or paid again" : "") + definition("content", hash(r->key)) + "</dl>\n";
    out += "<div class=\"ports\">";
    if (kind && kind->in == Port::pictures) out += "<div class=\"went-in\"><h3>went in</h3>" + pictures(inputs_of(spec)) + "</div>";
    out += "<div class=\"came-out\"><h3>came out</h3>" + pictures(r->outputs) + "</div></div>\n";
    return out + approvals(*r) + facts(i, *r) + "</section>\n";
  }

  std::vector<Picture> inputs_of(const StageSpec& spec) const {
    for (const StageRecord& r : run_.stages)
      if (r.stage == spec.input) return r.outputs;
    return {};
  }

  std::string pictures(const std::vector<Picture>& list) {
    if (list.empty()) return "<p class=\"note\">no picture</p>";
    std::string out = "<div class=\"pictures\">";
    for (const Picture& p : list) {
      std::string caption = fmt::format("{}x{}", p.width_px, p.height_px);
      for (const char* fact : {"model", "seed"})
        if (p.facts.contains(fact)) caption += std::string(", ") + fact + " " + (p.facts[fact].is_string() ? p.facts[fact].get<std::string>() : p.facts[fact].dump());
      const std::string label = p.facts.contains("label") && p.facts["label"].is_string() ? p.facts["label"].get<std::string>() : "";
      out += "<figure>" + image(p) + "<figcaption>" + escaped_markup(caption) + (label.empty() ? "" : "<small class=\"warning label\">" + escaped_markup(label) + "</small>") + "<small title=\"SHA-256 of its bytes\">" +
             escaped_markup(p.object.substr(0, 16)) + "</small></figcaption></figure>";
    }
    return out + "</div>";
  }

  std::string image(const Picture& p) {
    const auto known = shown_.find(p.object);
    if (known != shown_.end()) return known->second;
    std::string out;
    try {
      if (!can_be_shown(p.mime)) throw Error(ErrorCode::unsupported, p.mime);
      out = "<img alt=\"\" src=\"data:" + p.mime + ";base64," + base64_encoded(for_page(p, objects_.get(p.object))) + "\">";
    } catch (const Error&) {   // a record is shown as far as it is there
      out = "<div class=\"missing\">" + std::string(objects_.holds(p.object) ? "cannot be shown" : "no longer stored") + "</div>";
    }
    return shown_[p.object] = out;
  }

  std::string approvals(const StageRecord& r) const {
    std::string out;
    for (const Approval& a : run_.approvals) {
      if (a.stage != r.stage) continue;
      std::string picked;
      for (const int i : a.picked) picked += (picked.empty() ? "" : ", ") + std::to_string(i);
      out += "<dl class=\"approval\">" + definition("decision", a.approved ? "<b>approved</b>" : "<b class=\"failed\">rejected</b>") + definition("by", escaped_markup(a.by.empty() ? "a person who was not recorded" : a.by)) + definition("at", shown_time(a.at_unix_ms)) +
             definition("of what was shown", hash(a.shown) + (a.shown == r.key ? "" : " <span class=\"warning\">not what stands here now</span>")) + definition("picked", escaped_markup(picked)) +
             definition("reason", escaped_markup(a.reason)) + definition("prompt from here on", escaped_markup(a.prompt)) + "</dl>\n";
    }
    if (r.state == StageState::waiting) out += "<p class=\"warning\">Waits for a person: <code>safelight approve " + escaped_markup(run_.id) + "</code></p>\n";
    return out;
  }

  std::string facts(std::size_t i, const StageRecord& r) const {
    std::string out;
    Json rest = r.facts;
    if (const auto it = rest.find("candidates"); it != rest.end() && it->is_array()) {
      for (std::size_t k = 0; k < it->size(); ++k) out += (it->size() > 1 ? fmt::format("<h3>Candidate {}</h3>", k) : std::string()) + candidate_markup((*it)[k]);
      rest.erase("candidates");
    } else {
      out += unfinished_attempts(i);
    }
    rest.erase("decided_unix_ms");
    if (!rest.empty()) out += "<details><summary>what it noted</summary><pre>" + escaped_markup(rest.dump(1, ' ', false, Json::error_handler_t::replace)) + "</pre></details>\n";
    return out;
  }

  // Of a stage whose end was not recorded, what the ledger holds.
  std::string unfinished_attempts(std::size_t i) const {
    const std::string job = pipeline_.slo.name + "/" + run_.id + "/" + pipeline_.stages[i].name + "/";
    Json attempts = Json::array();
    for (const AttemptRecord& a : ledger_)
      if (a.job.starts_with(job)) attempts.push_back(to_json(a));
    return attempts_markup(attempts);
  }

  const RunRecord& run_;
  const Pipeline& pipeline_;
  const std::vector<StageEntry>& kinds_;
  const ObjectStore& objects_;
  const std::vector<AttemptRecord>& ledger_;
  Json report_;
  std::map<std::string, std::string> shown_;   // by object
};

}  // namespace

std::string pipeline_page(const RunRecord& run, const Pipeline& pipeline, const std::vector<StageEntry>& kinds, const ObjectStore& objects, const std::vector<AttemptRecord>& ledger) {
  return Page(run, pipeline, kinds, objects, ledger).html();
}

bool is_pipeline_run(const std::string& name, const std::filesystem::path& runs_dir) {
  const auto file = runs_dir / "pipelines.sqlite";
  if (!std::filesystem::exists(file)) return false;
  const std::vector<std::string> ids = JobStore(file).run_ids();
  return std::find(ids.begin(), ids.end(), name) != ids.end();
}

std::filesystem::path write_pipeline_page(const std::string& name, const std::filesystem::path& out, const ServiceContext& context) {
  PipelineDesk desk(context);
  const RunRecord run = desk.find(name);
  const Pipeline pipeline = parse_pipeline(run.source, context.stages);
  std::vector<AttemptRecord> attempts;
  if (const auto ledger = context.runs_dir / "ledger.sqlite"; std::filesystem::exists(ledger)) attempts = SqliteLedger(ledger).attempts_under(pipeline.slo.name + "/" + run.id + "/");
  const std::filesystem::path file = out.empty() ? std::filesystem::path(run.folder) / "report.html" : out;
  if (out.empty()) std::filesystem::create_directories(file.parent_path());
  write_file_atomic(file, pipeline_page(run, pipeline, context.stages, ObjectStore(context.runs_dir / "objects"), attempts));
  return file;
}

}  // namespace safelight::app
