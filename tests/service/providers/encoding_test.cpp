#include "service/providers/encoding.h"

#include <gtest/gtest.h>

#include "common/formats/png.h"
#include "service/providers/form.h"
#include "service/providers/sse.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

TEST(Base64, AgreesWithTheExamplesOfItsStandard) {
  const std::pair<const char*, const char*> pairs[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : pairs) {
    EXPECT_EQ(base64_encoded(plain), encoded);
    EXPECT_EQ(base64_decoded(encoded).value_or("none"), plain);
  }
  for (const char* bad : {"Zg", "Zg=", "Z===", "====", "Zm9v Zg==", "Zm9v\n", "Zm=v", "Zm9-", "data:image/png;base64,Zm9v"}) EXPECT_FALSE(base64_decoded(bad)) << bad;
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  EXPECT_EQ(base64_decoded(base64_encoded(every)), every);
}

std::string small_png() { return encode_png({.width = 5, .height = 3, .channels = 3, .pixels = std::vector<std::uint8_t>(45, 9)}, {}); }

TEST(PictureHeader, ReadsPngJpegAndWebp) {
  EXPECT_EQ(picture_header(small_png())->width_px, 5);
  EXPECT_EQ(picture_header(small_png())->height_px, 3);
  const std::string jpeg("\xFF\xD8\xFF\xE0\x00\x04xx\xFF\xFF\xC0\x00\x0B\x08\x01\x02\x03\x04\x01\x01\x11\x00\xFF\xD9", 24);
  ASSERT_TRUE(picture_header(jpeg));
  EXPECT_EQ(picture_header(jpeg)->mime, "image/jpeg");
  EXPECT_EQ(picture_header(jpeg)->width_px, 0x0304);
  EXPECT_EQ(picture_header(jpeg)->height_px, 0x0102);
  const std::string lossless("RIFF\x1A\0\0\0WEBPVP8L\x0E\0\0\0\x2F\x40\x80\x1F\x00xxxxxxxxx", 34);  // 65 x 127
  ASSERT_TRUE(picture_header(lossless));
  EXPECT_EQ(picture_header(lossless)->width_px, 65);
  EXPECT_EQ(picture_header(lossless)->height_px, 127);
  const std::string extended("RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x63\x00\x00\xC7\x00\x00", 30);  // 100 x 200
  EXPECT_EQ(picture_header(extended)->width_px, 100);
  EXPECT_EQ(picture_header(extended)->height_px, 200);
  for (const std::string& bad : {std::string(), std::string("GIF89a"), std::string("<svg/>"), small_png().substr(0, 20), std::string("\xFF\xD8\xFF"), std::string(40, '\xFF')}) EXPECT_FALSE(picture_header(bad));
}

TEST(PictureHeader, NoticesAMissingEnd) {
  const std::string png = small_png();
  EXPECT_TRUE(picture_is_whole(png));
  for (std::size_t cut = 33; cut < png.size(); ++cut) EXPECT_FALSE(picture_is_whole(png.substr(0, cut))) << cut;
  EXPECT_FALSE(picture_is_whole("\xFF\xD8\xFF\xE0..."));
  EXPECT_FALSE(picture_is_whole(std::string("RIFF\xFF\0\0\0WEBPVP8L", 16)));
}

TEST(CleanText, IsOneLineOfValidUtf8WithinItsLimit) {
  EXPECT_EQ(clean_text("a\x1B[2J\nb\x7F"), "a [2J b ");
  EXPECT_EQ(clean_text("Z\xC3\xBCrich \xFF \xC0\xAF \xE2\x82"), "Z\xC3\xBCrich ? ?? ??");
  EXPECT_EQ(clean_text("\xC2\x9B"), " ");  // a control character in two bytes
  EXPECT_EQ(clean_text(std::string(100, 'x'), 10), "xxxxxxxxxx...");
  EXPECT_EQ(clean_text("abc\xE2\x82\xAC", 5), "abc...");
}

TEST(Form, ItsBoundaryIsInNoPart) {
  const Form form = encode_form({{.name = "prompt", .content = "a"}, {.name = "image[]", .content = "bytes\r\n--safelight-", .file = "x.png", .mime = "image/png"}});
  const std::string boundary = form.content_type.substr(form.content_type.find('=') + 1);
  EXPECT_EQ(form.body, "--" + boundary + "\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n--" + boundary +
                           "\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n--safelight-\r\n--" + boundary + "--\r\n");
}

std::string events_of(const std::string& text, std::size_t piece, std::string* residue = nullptr) {
  std::string out;
  ServerEvents events([&](const ServerEvent& e) { out += e.name + "=" + e.data + ";"; });
  for (std::size_t at = 0; at < text.size(); at += piece) events.feed(std::string_view(text).substr(at, piece));
  events.finish();
  if (residue) *residue = events.residue();
  return out;
}

TEST(ServerEvents, ReadTheSameInPiecesOfAnySize) {
  const std::string text = ": hello\n\nevent: a\ndata: 1\ndata: 2\n\ndata:3\r\n\r\nid: 7\nretry: 5\n\nevent: none\n\nevent: last\ndata: 4";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(events_of(text, piece), "a=1\n2;=3;last=4;") << piece;
}

TEST(ServerEvents, EndAtDoneAndKeepWhatIsNoEvent) {
  EXPECT_EQ(events_of("data: 1\n\ndata: [DONE]\n\ndata: 2\n\n", 3), "=1;");
  std::string residue;
  EXPECT_EQ(events_of("data: 1\n\n{\"error\": {\n \"code\": 499}}\n", 7, &residue), "=1;");
  EXPECT_EQ(residue, "{\"error\": {\n \"code\": 499}}\n");
}

}  // namespace
}  // namespace safelight
