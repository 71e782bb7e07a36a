//! The room of system calls: files mapped, sent from the page cache to a socket without a copy, read into buffers that
//! are used again, and asked whether they are in memory at all; sockets asked for their queues. The only room with
//! `unsafe`; each argues for itself.
//!
//! **Zero copy under hyper.** A body hands hyper slices of a [`Mapping`]: real bytes of the file, so whoever takes them
//! sends the right ones. hyper queues slices and hands their pointers on unchanged, behind the head, to one vectored
//! write. There `send` asks the list of living mappings whether a slice lies in one, and lets the kernel send the same
//! bytes from the file itself. hyper does not promise to pass pointers on: it is pinned, and a test sees that what
//! [`sent_from_files`] counts grows.
//!
//! **Nothing here is read through a mapping by the process itself**: a file that somebody cuts meanwhile would end it
//! by SIGBUS. The kernel, asked to read there, answers with an error instead.

mod buffer;
mod mapping;
mod residency;
mod send;
#[cfg(test)]
mod tests;
pub(crate) mod unsent;

pub(crate) use buffer::{Buffer, read_now};
pub use mapping::Mapping;
pub(crate) use residency::{is_resident, make_resident};
pub(crate) use send::send;
pub use send::sent_from_files;
