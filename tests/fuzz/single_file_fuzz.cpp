// Names and shapes of a checkpoint from outside: no layout claims them, or they are mapped there and back.
#include <cstdint>
#include <string>

#include "common/base/error.h"
#include "engine/weights/single_file_map.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace safelight;
  TensorShapes shapes;
  std::string name;
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] != '\n') {
      name += static_cast<char>(data[i]);
      continue;
    }
    std::vector<std::int64_t> shape;
    if (i + 1 < size)
      for (int k = data[i + 1] % 5; k > 0 && i + 2 < size; --k) shape.push_back(data[i + 2] % 40);
    shapes[name] = shape;
    name.clear();
  }
  try {
    const SingleFileMap map = map_single_file(shapes, "fuzz");
    derive_configs(map);
    std::map<std::string, TensorShapes> components;
    for (const MappedTensor& t : map.tensors) components[t.component][t.key] = t.shape;
    std::vector<std::string> left_out;
    unmap_single_file(components, map.layout, left_out);
  } catch (const Error&) {
  }
  return 0;
}
