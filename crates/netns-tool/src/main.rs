//! netns-tool.
fn main() {}
