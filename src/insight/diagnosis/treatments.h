// What can be changed to test a finding: exactly one thing each. A kind of change is a function and a line of the table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "common/trace/trace.h"

namespace safelight {

struct Treatment {
  std::string name;            // "guidance 4"; equal names are the same change
  std::string subsystem, trigger;
  std::string cause;           // what it would show to be the cause
  Interventions change;        // the run's own interventions with one thing changed
  bool shifts_colour = false;  // the change predicts a shift of colour
  int from_step = -1;          // takes effect only from this step on, so that a restart point before it is enough; -1: from the start
};

// What is tried where a person sees a symptom and nothing was found: the usual changes of one subsystem.
std::vector<Treatment> usual_treatments(const std::string& subsystem, const TraceReader& trace, const Interventions& own);

// The changes that test this finding's hypothesis, the most telling first. `own`: the run's interventions.
std::vector<Treatment> treatments_for(const Finding& finding, const TraceReader& trace, const Interventions& own);

// Two of them by themselves, with nothing said of what they would show. Nothing where the run's settings leave no such change.
std::optional<Treatment> guidance_times(double factor, const TraceReader& trace, const Interventions& own);
std::optional<Treatment> twice_the_steps(const TraceReader& trace, const Interventions& own);

// A word that says what should be seen, by its place in the token list.
struct PromptWord {
  std::string text;
  int token = 0, tokens = 1;
};
std::vector<PromptWord> content_words(const TraceReader& trace);   // empty without attention series

inline constexpr double kWordFactor = 1.5;   // by which one word's attention logits or embedding are raised

// Every usual change of one thing (single_treatments.cpp): guidance, steps and solver, routing as a whole and of each content word, each content
// word's strength, precision. `own`: the run's interventions.
std::vector<Treatment> single_treatments(const TraceReader& trace, const Interventions& own);

}  // namespace safelight
