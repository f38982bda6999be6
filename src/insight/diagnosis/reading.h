// What a model itself reads in a finished picture: whether each word of the prompt helps to explain what is to be seen. Noise is put on the
// picture and the model takes it away again, once with the whole prompt and once without each word; a word that the picture shows makes
// the estimate better (Li et al. 2023, arXiv:2303.16203: a diffusion model is a classifier). No knowledge of what words mean is needed.
#pragma once

#include <string>
#include <vector>

namespace safelight {

struct WordReading {
  std::string word;
  int token = 0, tokens = 1;     // its first position in the token list, and how many it takes
  double help = 0;               // share by which the error of the estimate grows without it; below 0: the picture speaks against it
};

struct Reading {
  std::vector<WordReading> words;
  double whole = 0;              // the same without every word
  std::vector<double> error;     // with the whole prompt, per noise level: mean square of the error, in units of the latent's variance
  double together() const;       // the words' helps added up
};

}  // namespace safelight
