// Settings of the libraries below us that can only be given through the environment, before they are loaded.
#pragma once

namespace safelight::app {

// Starts the program once more with what is missing; what the user has set himself stays. Returns when nothing is missing.
void start_with_settings(char** argv);

}  // namespace safelight::app
