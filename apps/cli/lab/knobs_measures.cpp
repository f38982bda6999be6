#include "apps/cli/lab/knobs_measures.h"

#include <algorithm>
#include <initializer_list>
#include <numeric>

#include "apps/cli/lab/eval_board.h"
#include "common/measure/edge_statistics.h"

namespace safelight::app {
namespace {

int chroma_of(const std::uint8_t* p) { return std::max({p[0], p[1], p[2]}) - std::min({p[0], p[1], p[2]}); }

// Median over an object's pixels, so that its blurred edge does not count, as a multiple of the palette's colour.
double saturation_of(const SeenObject& o, const Image& image) {
  std::vector<int> chroma;
  for (std::size_t i = 0; i < o.mask.size(); ++i)
    if (o.mask[i]) chroma.push_back(chroma_of(image.pixels.data() + 3 * i));
  const Rgb pure = rgb(o.colour);
  const std::uint8_t palette[] = {pure.r, pure.g, pure.b};
  const auto middle = chroma.begin() + static_cast<std::ptrdiff_t>(chroma.size() / 2);
  std::nth_element(chroma.begin(), middle, chroma.end());
  return static_cast<double>(*middle) / chroma_of(palette);
}

void add_saturation(const SeenScene& scene, const Image& image, Values& values) {
  double sum = 0;
  int objects = 0;
  for (const SeenObject& o : scene.objects)
    if (std::find(o.mask.begin(), o.mask.end(), 1) != o.mask.end()) sum += saturation_of(o, image), ++objects;
  if (objects > 0) values["saturation"] = sum / objects;
}

// The checker pairs every claim with some object as long as there are any. A pair that agrees neither in shape nor in colour is none:
// the claimed object is lost, and the other one is hallucinated.
void add_strays(const SeenScene& scene, const PromptClaims& claims, const CheckResult& check, Values& values) {
  std::size_t lost = 0, explained = 0, sign_found = 0;
  for (const ItemMatch& m : check.matches) {
    if (m.claim == kTheSign) {
      ++(m.seen < 0 ? lost : sign_found);
      continue;
    }
    const ObjectClaim& c = claims.objects[static_cast<std::size_t>(m.claim)];
    const SeenObject* o = m.seen < 0 ? nullptr : &scene.objects[static_cast<std::size_t>(m.seen)];
    const bool shape = o && (!c.shape || o->shape == c.shape), colour = o && c.colour && o->colour == *c.colour;
    ++(shape || colour ? explained : lost);
  }
  values["lost"] = static_cast<double>(lost);
  values["hallucinated"] = static_cast<double>(scene.objects.size() - explained + scene.signs.size() - sign_found);
}

// 1 if all claims of these kinds hold; nothing if there are none.
void add_claims(const char* measure, std::initializer_list<const char*> kinds, const CheckResult& check, Values& values) {
  for (const ClaimResult& c : check.claims) {
    if (std::find(kinds.begin(), kinds.end(), c.kind) == kinds.end()) continue;
    const auto it = values.try_emplace(measure, 1.0).first;
    if (!c.right) it->second = 0;
  }
}

}  // namespace

const std::vector<Measure>& knob_measures() {
  static const std::vector<Measure> kMeasures = {
      {"adherence", "prompt adherence", MeasureKind::share, "share of pictures in which every claim of the prompt holds"},
      {"structure", "structural correctness", MeasureKind::share,
       "share of pictures without a structural problem, whatever was asked for: unclear, ragged, merged or cut-off objects, specks, letters that are none, a background of no kind"},
      {"saturation", "saturation of objects", MeasureKind::mean,
       "largest less smallest channel at the median pixel of each object seen, divided by that of the palette's colour: 1 is the colour that training showed, more is oversaturated"},
      {"incoherence", "local incoherence (levels per pixel)", MeasureKind::mean,
       "gradient that follows no common direction (square root of the smaller eigenvalue of the colour structure tensor, mean over the picture): mottle, noise, torn edges"},
      {"aliasing", "aliasing (pixels)", MeasureKind::mean,
       "how far edges stray from smooth curves, from the third differences of their places in neighbouring rows and columns, in pixels of the "
       "finished picture; slanted edges drawn without anti-aliasing have about 0.3"},
      {"hallucinated", "hallucinated objects a picture", MeasureKind::mean, "objects and signs that stand for nothing in the prompt, or agree with it neither in shape nor in colour"},
      {"lost", "lost objects a picture", MeasureKind::mean, "objects and signs of the prompt for which nothing is seen, or only what agrees neither in shape nor in colour"},
      {"position", "positions right", MeasureKind::share, "share of pictures, of prompts that claim places or relations, in which all of these hold"},
      {"binding", "bindings right", MeasureKind::share, "share of pictures, of prompts that claim colours of shapes, in which every shape has its colour"},
      {"words", "words exact", MeasureKind::share, "share of pictures, of prompts that claim a word, whose sign says exactly that word"},
      {"attention", "noun attention IoU", MeasureKind::attention,
       "overlap (intersection over union) of each noun's cross-attention map, averaged over the steps and cut at the area of the object, with the object that is seen"},
      {"denoise", "milliseconds of denoising a picture", MeasureKind::mean, "wall-clock time of all steps, pictures of one prompt drawn together"},
      {"time", "milliseconds a picture", MeasureKind::cost, "wall-clock time of one picture after a first one that is not counted; upscaler included where there is one"},
      {"memory", "peak memory (MB)", MeasureKind::cost, "the most memory that a process had resident which did nothing but make these pictures one by one, program and libraries included"}};
  return kMeasures;
}

const Measure& knob_measure(const std::string& name) {
  const auto& all = knob_measures();
  return *std::find_if(all.begin(), all.end(), [&](const Measure& m) { return m.name == name; });
}

Values measured(const EvalPrompt& prompt, const Image& image, const TraceReader* run) {
  const SeenScene scene = see_picture(image);
  const PromptClaims claims = parse_prompt(prompt.text);
  const Judged judged = judged_picture(prompt, 0, scene, claims, run);
  Values values = {{"adherence", judged.check.all()}, {"structure", judged.problems.empty()}, {"incoherence", local_incoherence(image)}};
  if (const auto jagged = edge_jaggedness_px(image)) values["aliasing"] = *jagged;
  add_saturation(scene, image, values);
  add_strays(scene, claims, judged.check, values);
  add_claims("position", {"position", "relation"}, judged.check, values);
  add_claims("binding", {"binding"}, judged.check, values);
  add_claims("words", {"text"}, judged.check, values);
  if (const auto& ious = judged.attention; !ious.empty()) values["attention"] = std::accumulate(ious.begin(), ious.end(), 0.0) / static_cast<double>(ious.size());
  return values;
}

}  // namespace safelight::app
