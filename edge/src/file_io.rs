//! Where bytes meet the operating system in ways that std has no safe word for: the one room that may say `unsafe`.

pub(crate) mod unsent;
