#include "service/providers/catalogue.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace safelight {
namespace {

// A small valid row; `more` is put into its table.
std::string row_text(const std::string& more) {
  return "[models.m]\nprotocol = \"openai.images\"\nwire_model = \"w\"\nbase_url = \"https://relay.example/v1\"\n" + more;
}

const std::string kSizes = "can = { sizes = [\"512x512\", \"1024x576 16:9 1K\"] }\n";

std::string refusal(const std::string& toml) {
  Catalogue catalogue;
  try {
    catalogue.overlay(toml, "test");
  } catch (const Error& e) {
    EXPECT_TRUE(catalogue.rows().empty());  // nothing of a refused file stays
    return e.what();
  }
  return "";
}

TEST(Catalogue, ShipsTheRowsThatAreNamed) {
  const Catalogue catalogue = Catalogue::shipped();
  for (const char* id : {"dall-e-3-hd", "gpt-image-2", "gpt-image-2-5-flare", "gpt-image-2-5-sunburst", "nano-banana", "nano-banana-pro", "nano-banana-2",
                         "nano-banana-2-1", "imagen-4-fast", "imagen-4", "imagen-4-ultra", "signs-nano", "signs-base", "signs-fast", "signs-type"})
    EXPECT_NE(catalogue.find(id), nullptr) << id;
  const ModelRow& hd = catalogue.row("dall-e-3-hd");
  EXPECT_EQ(hd.can.qualities.at(hd.default_quality), "hd");
  EXPECT_DOUBLE_EQ(*price_usd(hd, "", *size_for(hd, 1024, 1024)), 0.080);
  EXPECT_DOUBLE_EQ(*price_usd(hd, "", *size_for(hd, 1792, 1024)), 0.120);
  EXPECT_DOUBLE_EQ(*price_usd(hd, "standard", *size_for(hd, 1024, 1024)), 0.040);
  EXPECT_FALSE(price_usd(catalogue.row("nano-banana-2-1"), "", *size_for(catalogue.row("nano-banana-2-1"), 2048, 2048)));
  EXPECT_THROW(catalogue.row("dall-e-4"), Error);
}

TEST(Catalogue, RetiredHoldsAtTheVendorAloneAndFromItsDay) {
  Catalogue catalogue = Catalogue::shipped();
  EXPECT_TRUE(retired_at_vendor(catalogue.row("dall-e-3-hd"), "2026-11-25"));
  EXPECT_EQ(catalogue.row("dall-e-3-hd").successor, "gpt-image-2");
  catalogue.overlay("[models.dall-e-3-hd]\nbase_url = \"https://relay.example/v1\"\n", "mine");
  EXPECT_FALSE(retired_at_vendor(catalogue.row("dall-e-3-hd"), "2026-11-25"));
  EXPECT_EQ(catalogue.row("dall-e-3-hd").wire_model, "dall-e-3");  // the other keys stay
  EXPECT_EQ(catalogue.row("dall-e-3-hd").source, "mine");

  catalogue.overlay("[models.gpt-image-2]\nshutdown_date = \"2027-01-15\"\nsuccessor = \"gpt-image-2-5-flare\"\n", "later");
  EXPECT_FALSE(retired_at_vendor(catalogue.row("gpt-image-2"), "2027-01-14"));
  EXPECT_TRUE(retired_at_vendor(catalogue.row("gpt-image-2"), "2027-01-15"));
}

TEST(Catalogue, AnOverlayMergesTablesAndChangesNothingWhenRefused) {
  Catalogue catalogue = Catalogue::shipped();
  catalogue.overlay("[models.gpt-image-2.can]\nmax_count = 2\n", "mine");
  EXPECT_EQ(catalogue.row("gpt-image-2").can.max_count, 2);
  EXPECT_EQ(catalogue.row("gpt-image-2").can.max_references, 16);
  EXPECT_THROW(catalogue.overlay("[models.gpt-image-2.can]\nmax_count = 3\nwings = 2\n", "bad"), Error);
  EXPECT_EQ(catalogue.row("gpt-image-2").can.max_count, 2);
}

TEST(Catalogue, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refusal(row_text(kSizes)), "");
  const std::pair<std::string, std::string> cases[] = {
      {row_text(kSizes + "colour = 1\n"), "colour"},
      {row_text("can = { sizes = [\"512by512\"] }\n"), "512by512"},
      {row_text("can = { sizes = [] }\n"), "default size"},
      {row_text("can = { sizes = [\"8x8\"], mask = \"maybe\" }\n"), "emulated"},
      {row_text("can = { sizes = [\"8x8\"], qualities = { best = \"x\" } }\n"), "draft, standard, high, max"},
      {row_text("can = { sizes = [\"8x8\"], formats = [\"bmp\"] }\n"), "png, jpeg, webp"},
      {row_text(kSizes + "status = \"gone\"\n"), "live, deprecated, retired"},
      {row_text(kSizes + "dialect = \"azure\"\n"), "gpt-image, dall-e"},
      {row_text(kSizes + "successor = \"nobody\"\n"), "nobody"},
      {row_text(kSizes + "successor = \"m\"\n"), "another row"},
      {row_text(kSizes + "shutdown_date = \"May\"\n"), "2026-05-12"},
      {row_text(kSizes + "shutdown_date = 2026-05-12\n"), "in quotes"},
      {row_text(kSizes + "prices = [{ usd = -1 }]\n"), "usd"},
      {row_text(kSizes + "prices = [{ quality = \"high\", usd = 1 }]\n"), "can.qualities"},
      {row_text(kSizes + "default_quality = \"high\"\n"), "can.qualities"},
      {row_text(kSizes + "concurrency = 0\n"), "1 to 1000"},
      {"[models.m]\nprotocol = \"smoke\"\nwire_model = \"w\"\n" + kSizes, "gemini.generate_content"},
      {"[model.m]\n", "[models.ID]"},
      {"[models.m\n", "test, line 1"},
  };
  for (const auto& [toml, expected] : cases) EXPECT_NE(refusal(toml).find(expected), std::string::npos) << toml << refusal(toml);
}

TEST(Catalogue, KeepsKeysOffPlainAndAmbiguousAddresses) {
  const auto with_url = [](const std::string& url, const std::string& key) {
    return "[models.m]\nprotocol = \"sdcpp\"\nwire_model = \"w\"\nbase_url = \"" + url + "\"\n" + key + kSizes;
  };
  EXPECT_NE(refusal(with_url("http://relay.example", "credential = \"K\"\n")).find("without encryption"), std::string::npos);
  EXPECT_EQ(refusal(with_url("http://127.0.0.1:1234", "credential = \"K\"\n")), "");
  EXPECT_EQ(refusal(with_url("http://peer.example", "")), "");
  for (const char* url : {"ftp://x", "https://a@b", "https://x/?key=1", "https://x/", "relay.example", "https://"}) EXPECT_NE(refusal(with_url(url, "")), "") << url;
}

TEST(Catalogue, SizesFitExactlyOrAreTheNearest) {
  const Catalogue catalogue = Catalogue::shipped();
  const ModelRow& gpt = catalogue.row("gpt-image-2");
  EXPECT_TRUE(size_for(gpt, 1280, 720));
  EXPECT_FALSE(size_for(gpt, 1281, 720));   // no multiple of 16
  EXPECT_FALSE(size_for(gpt, 3840, 1024));  // ratio above 3
  const SizeOption near = nearest_size(gpt, 1281, 721);
  EXPECT_EQ(near.width_px, 1280);
  EXPECT_EQ(near.height_px, 720);
  EXPECT_TRUE(size_for(gpt, nearest_size(gpt, 9000, 9000).width_px, nearest_size(gpt, 9000, 9000).height_px));
  const SizeOption wide = nearest_size(catalogue.row("nano-banana-2"), 1920, 1080);
  EXPECT_EQ(wide.aspect, "16:9");
  EXPECT_EQ(nearest_size(catalogue.row("signs-base"), 1, 5000).width_px, 128);
}

}  // namespace
}  // namespace safelight
