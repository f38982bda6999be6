// The pictures of an evaluation: a sheet of unselected ones, and a page with all of them, wrong ones first.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/lab/eval_board.h"
#include "common/api/image.h"

namespace safelight::app {

inline constexpr std::size_t kSheetPictures = 64;

struct SheetPicture {
  Judged judged;
  int number = 0;        // of the prompt within its task
  std::string png;
  Image image;           // kept only for the sheet
};

// The sheet takes the first seed of the first prompts of every task: chosen before anything was drawn.
Image sheet_of(const std::vector<SheetPicture>& pictures);

// Works from the file system with no network. At most a few thousand pictures; the first right ones are left out beyond that.
std::string sheet_page(const std::string& title, const std::vector<std::string>& table, const std::vector<SheetPicture>& pictures);

}  // namespace safelight::app
