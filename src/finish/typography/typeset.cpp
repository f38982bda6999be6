#include "finish/typography/typeset.h"

#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#include <pango/pangofc-fontmap.h>

#include <map>

#include "common/base/error.h"

namespace safelight {
namespace {

// Free families of Debian's packages, the plainest first; `fonts-dejavu-core`, `-extra` and `fonts-liberation2` have most of them.
constexpr std::array kFamilies = {"DejaVu Sans", "Liberation Sans", "DejaVu Serif", "Liberation Serif", "DejaVu Sans Mono", "Liberation Mono", "DejaVu Sans Condensed",
                                  "Liberation Sans Narrow", "Roboto", "Roboto Slab", "Noto Sans", "Noto Serif"};
constexpr double kDrawnSize = 64;  // pixels; the context scales from here, so that hinting plays no part

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* p) const { release(p); }
};
using Surface = std::unique_ptr<cairo_surface_t, Releaser<cairo_surface_destroy>>;
using Cairo = std::unique_ptr<cairo_t, Releaser<cairo_destroy>>;
using Layout = std::unique_ptr<PangoLayout, Releaser<g_object_unref>>;
using Description = std::unique_ptr<PangoFontDescription, Releaser<pango_font_description_free>>;
using Pattern = std::unique_ptr<FcPattern, Releaser<FcPatternDestroy>>;
using FontSet = std::unique_ptr<FcFontSet, Releaser<FcFontSetDestroy>>;

std::string text_of(FcPattern* pattern, const char* key) {
  FcChar8* value = nullptr;
  return FcPatternGetString(pattern, key, 0, &value) == FcResultMatch ? reinterpret_cast<const char*>(value) : "";
}

int number_of(FcPattern* pattern, const char* key, int otherwise) {
  int value = 0;
  return FcPatternGetInteger(pattern, key, 0, &value) == FcResultMatch ? value : otherwise;
}

// The upright file of the family, in one weight and its natural width; the first by name where several offer it. Empty when there is none.
std::string installed_file(const char* family, bool bold) {
  const Pattern wanted(FcPatternBuild(nullptr, FC_FAMILY, FcTypeString, family, FC_WEIGHT, FcTypeInteger, bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR, FC_SLANT, FcTypeInteger, FC_SLANT_ROMAN, nullptr));
  const std::unique_ptr<FcObjectSet, Releaser<FcObjectSetDestroy>> fields(FcObjectSetBuild(FC_FILE, FC_FAMILY, FC_WEIGHT, FC_SLANT, FC_WIDTH, FC_VARIABLE, nullptr));
  const FontSet found(FcFontList(nullptr, wanted.get(), fields.get()));
  std::string best;
  int widest = -1;
  for (int i = 0; found && i < found->nfont; ++i) {
    FcBool variable = FcFalse;
    FcPatternGetBool(found->fonts[i], FC_VARIABLE, 0, &variable);
    const std::string file = text_of(found->fonts[i], FC_FILE);
    const int width = number_of(found->fonts[i], FC_WIDTH, FC_WIDTH_NORMAL);
    if (variable || file.empty() || width < widest || (width == widest && file >= best)) continue;
    best = file, widest = width;
  }
  return best;
}

Surface coverage_surface(int width, int height) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_A8, width, height));
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) throw Error(ErrorCode::out_of_memory, "no memory to draw text on " + std::to_string(width) + "x" + std::to_string(height) + " pixels");
  return surface;
}

}  // namespace

// A font map of its own over a private configuration: what else the system has or prefers plays no part.
struct Typesetter::Fonts {
  std::unique_ptr<FcConfig, Releaser<FcConfigDestroy>> config{FcConfigCreate()};
  std::unique_ptr<PangoFontMap, Releaser<g_object_unref>> map{pango_cairo_font_map_new_for_font_type(CAIRO_FONT_TYPE_FT)};
  std::map<std::string, std::string> files;  // by Face::name()

  Layout lay_out(const std::string& text, const Face& face) const;
};

Layout Typesetter::Fonts::lay_out(const std::string& text, const Face& face) const {
  const std::unique_ptr<PangoContext, Releaser<g_object_unref>> context(pango_font_map_create_context(map.get()));
  const std::unique_ptr<cairo_font_options_t, Releaser<cairo_font_options_destroy>> options(cairo_font_options_create());
  cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
  pango_cairo_context_set_font_options(context.get(), options.get());
  pango_context_set_round_glyph_positions(context.get(), FALSE);
  Layout layout(pango_layout_new(context.get()));
  const Description description(pango_font_description_new());
  pango_font_description_set_family(description.get(), face.family.c_str());
  pango_font_description_set_weight(description.get(), face.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
  pango_font_description_set_absolute_size(description.get(), kDrawnSize * PANGO_SCALE);
  pango_layout_set_font_description(layout.get(), description.get());
  pango_layout_set_single_paragraph_mode(layout.get(), TRUE);
  pango_layout_set_text(layout.get(), text.data(), static_cast<int>(text.size()));
  return layout;
}

Typesetter::Typesetter() : fonts_(std::make_unique<Fonts>()) {
  for (const char* family : kFamilies)
    for (const bool bold : {true, false}) {
      const std::string file = installed_file(family, bold);
      if (file.empty() || !FcConfigAppFontAddFile(fonts_->config.get(), reinterpret_cast<const FcChar8*>(file.c_str()))) continue;
      faces_.push_back({family, bold});
      fonts_->files[faces_.back().name()] = file;
    }
  if (faces_.empty()) throw Error(ErrorCode::unavailable, "none of the fonts that text is set in is installed: install the packages fonts-dejavu-core and fonts-liberation2");
  pango_fc_font_map_set_config(PANGO_FC_FONT_MAP(fonts_->map.get()), fonts_->config.get());
}

Typesetter::~Typesetter() = default;

std::string Typesetter::file(const Face& face) const {
  const auto found = fonts_->files.find(face.name());
  return found == fonts_->files.end() ? "" : found->second;
}

bool Typesetter::can_write(const std::string& text, const Face& face) const {
  if (!g_utf8_validate(text.data(), static_cast<gssize>(text.size()), nullptr)) return false;
  const Layout layout = fonts_->lay_out(text, face);
  PangoRectangle ink;
  pango_layout_get_extents(layout.get(), &ink, nullptr);
  return pango_layout_get_unknown_glyphs_count(layout.get()) == 0 && ink.width > 0 && ink.height > 0;
}

InkExtents Typesetter::extents(const std::string& text, const Face& face) const {
  const Layout layout = fonts_->lay_out(text, face);
  PangoRectangle ink;
  pango_layout_get_extents(layout.get(), &ink, nullptr);
  if (pango_layout_get_unknown_glyphs_count(layout.get()) > 0 || ink.width <= 0 || ink.height <= 0)
    throw Error(ErrorCode::unsupported, "the font " + face.name() + " cannot write '" + text + "'; another font may have its letters");
  constexpr double kEm = kDrawnSize * PANGO_SCALE;
  return {ink.x / kEm, (ink.y - pango_layout_get_baseline(layout.get())) / kEm, ink.width / kEm, ink.height / kEm};
}

Raster Typesetter::coverage(const Lettering& l, const Box& box) const {
  const InkExtents ink = extents(l.text, l.face);
  const Surface surface = coverage_surface(box.width, box.height);
  const Cairo cairo(cairo_create(surface.get()));
  const Layout layout = fonts_->lay_out(l.text, l.face);
  cairo_translate(cairo.get(), l.frame.centre_x - box.x, l.frame.centre_y - box.y);
  cairo_rotate(cairo.get(), l.frame.angle);
  cairo_translate(cairo.get(), l.left_u, l.baseline_v);
  cairo_scale(cairo.get(), l.stretch * l.size_px / kDrawnSize, l.size_px / kDrawnSize);
  cairo_translate(cairo.get(), -ink.x * kDrawnSize, -static_cast<double>(pango_layout_get_baseline(layout.get())) / PANGO_SCALE);
  pango_cairo_layout_path(cairo.get(), layout.get());
  cairo_set_antialias(cairo.get(), CAIRO_ANTIALIAS_BEST);
  cairo_fill(cairo.get());
  cairo_surface_flush(surface.get());
  const unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  Raster out(box.width, box.height);
  for (int y = 0; y < box.height; ++y)
    for (int x = 0; x < box.width; ++x) out.at(x, y) = static_cast<float>(data[static_cast<std::ptrdiff_t>(y) * stride + x]) / 255;
  return out;
}

}  // namespace safelight
