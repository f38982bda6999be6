// Keys and values of a text are made once for each text and layer, and never mistaken for another's.
#include "engine/tensor/text_keys.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace safelight {
namespace {

struct Layer {
  double factor = 1;
  int made = 0;
  KeysAndValues of(TextKeys& keys, const at::Tensor& text) {
    return keys.of(this, text, [&] {
      ++made;
      return KeysAndValues{text * factor, text + factor};
    });
  }
};

TEST(TextKeys, AreMadeOncePerTextAndLayer) {
  TextKeys keys;
  Layer a{2}, b{3};
  const at::Tensor text = at::randn({2, 5, 8});
  for (int step = 0; step < 4; ++step) {
    EXPECT_TRUE(at::equal(a.of(keys, text).keys, text * 2));
    EXPECT_TRUE(at::equal(b.of(keys, text).values, text + 3));
  }
  EXPECT_EQ(a.made, 1);
  EXPECT_EQ(b.made, 1);
}

TEST(TextKeys, AnotherTextOfTheSameShapeIsAnother) {
  TextKeys keys;
  Layer layer{2};
  for (int i = 0; i < 5; ++i) {
    const at::Tensor text = at::randn({1, 5, 8});
    EXPECT_TRUE(at::equal(layer.of(keys, text).keys, text * 2));
  }
  EXPECT_EQ(layer.made, 5);
}

TEST(TextKeys, TwoTextsByTurnsAreBothKept) {
  TextKeys keys;
  Layer layer{2};
  const at::Tensor both = at::randn({2, 5, 8}), alone = at::randn({1, 5, 8});
  for (int step = 0; step < 6; ++step) {
    const at::Tensor& text = step % 2 == 0 ? both : alone;
    EXPECT_TRUE(at::equal(layer.of(keys, text).keys, text * 2));
  }
  EXPECT_EQ(layer.made, 2);
}

TEST(TextKeys, LargeBatchesAreNotKept) {
  TextKeys keys;
  Layer layer{2};
  const at::Tensor text = at::randn({16, 5, 8});
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(at::equal(layer.of(keys, text).keys, text * 2));
  EXPECT_EQ(layer.made, 3);
}

TEST(TextKeys, AConvertedTextIsTheSameTensorEveryTime) {
  TextKeys keys;
  const at::Tensor text = at::randn({1, 5, 8});
  EXPECT_TRUE(keys.converted(text, at::kFloat).is_same(text));
  const at::Tensor half = keys.converted(text, at::kBFloat16);
  EXPECT_TRUE(half.is_same(keys.converted(text, at::kBFloat16)));
  EXPECT_TRUE(at::equal(half, text.to(at::kBFloat16)));
  EXPECT_EQ(keys.converted(text, at::kHalf).scalar_type(), at::kHalf);   // another type takes its place
}

}  // namespace
}  // namespace safelight
