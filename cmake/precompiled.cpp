// The precompiled header needs a target to be built in (SafelightPrecompiled.cmake); a target needs a source.
