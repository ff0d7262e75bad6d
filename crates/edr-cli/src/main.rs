//! The edr command line.
fn main() {}
