//! Tests of the public interface: files on disk in, plans and numbers out.

mod common;
mod detect;
mod edm;
mod embedding;
mod folder;
mod fp8;
mod full_size;
mod gguf;
mod hostile;
mod inspect;
mod layouts;
mod lora;
mod lora_hostile;
mod lora_names;
mod lora_report;
mod memory;
mod mutations;
mod read;
mod recommend;
mod sampling;
mod sniff;
mod strict;
