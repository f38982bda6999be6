#include "engine/training/recipe.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight {
namespace {

class Recipes : public testing::Test {
 protected:
  Recipes() : directory_(std::filesystem::temp_directory_path() / ("safelight-recipes-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory_);
    write_file_atomic(directory_ / "base.toml", "name = \"base\"\nseed = 7\n[unet]\na = 1\nb = 2\n[train_denoiser]\nsamples = 10\nbatch = 4\n");
  }
  ~Recipes() override { std::filesystem::remove_all(directory_); }
  Recipe read(const std::string& text) const {
    write_file_atomic(directory_ / "own.toml", text);
    return Recipe::read(directory_ / "own.toml");
  }
  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::filesystem::path directory_;
};

TEST_F(Recipes, AnExtensionWinsTableByTable) {
  const Recipe r = read("extends = \"base.toml\"\nname = \"own\"\n[unet]\nb = 3\n[train_denoiser]\nsamples = 20\n");
  EXPECT_EQ(r.name, "own");
  EXPECT_EQ(r.seed, 7u);
  EXPECT_EQ(r.unet, Json({{"a", 1}, {"b", 3}}));
  EXPECT_EQ(r.denoiser.samples, 20);
  EXPECT_EQ(r.denoiser.batch, 4);
}

TEST_F(Recipes, TheStoredTextIsTheWholeRecipe) {
  const Recipe r = read("extends = \"base.toml\"\nname = \"own\"\n");
  const Recipe again = read(r.text_of_file);
  EXPECT_EQ(again.name, "own");
  EXPECT_EQ(again.unet, r.unet);
  EXPECT_EQ(again.denoiser.samples, r.denoiser.samples);
}

TEST_F(Recipes, WrongExtensionsAreRefused) {
  EXPECT_NE(refusal("extends = \"gone.toml\"\n").find("gone.toml' cannot be read"), std::string::npos);
  EXPECT_NE(refusal("extends = \"../base.toml\"\n").find("same folder"), std::string::npos);
  EXPECT_NE(refusal("extends = 7\n").find("same folder"), std::string::npos);
  EXPECT_NE(refusal("extends = \"own.toml\"\n").find("extends another"), std::string::npos);
  EXPECT_NE(refusal("extends = \"base.toml\"\nnme = \"own\"\n").find("unknown key 'nme'"), std::string::npos);
}

TEST(ShippedRecipes, DifferInWhatTheyShould) {
  const std::filesystem::path recipes = std::filesystem::path(SAFELIGHT_SOURCE) / "recipes";
  const Recipe base = Recipe::read(recipes / "signs-base.toml"), type = Recipe::read(recipes / "signs-type.toml");
  EXPECT_EQ(type.quoted, QuotedText::spelled);
  EXPECT_EQ(base.quoted, QuotedText::merged);
  EXPECT_EQ(base.unet, type.unet);
  EXPECT_EQ(base.text_encoder, type.text_encoder);
  EXPECT_EQ(base.vae, type.vae);
  EXPECT_EQ(base.denoiser.samples, type.denoiser.samples);
  EXPECT_EQ(base.seed, type.seed);
  EXPECT_EQ(to_json(base.scenes), to_json(type.scenes));
}

}  // namespace
}  // namespace safelight
