//! Tests of the public interface: files on disk in, plans and numbers out.

mod common;
mod detect;
mod folder;
mod full_size;
mod hostile;
mod inspect;
mod layouts;
mod memory;
mod mutations;
mod read;
mod recommend;
mod strict;
