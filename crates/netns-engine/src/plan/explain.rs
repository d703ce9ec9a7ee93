//! A plan as a shell script: what would do the same by hand, with one sentence of why above it.
