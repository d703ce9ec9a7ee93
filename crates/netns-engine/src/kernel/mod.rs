//! The only folder with system calls and `unsafe`.
//!
//! [`Kernel`] is the seam: everything above it works on data, and the tests put a kernel in memory
//! in its place. [`LinuxKernel`] is the real one; the other files are what it is made of.

pub mod background;
mod beside;
mod boot_files;
mod conntrack;
mod conversations;
mod details;
pub mod examine;
