//! The machine, and the resource usage of this process.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The machine's name; `emberline` if it has none.
pub fn name() -> String {
    let name = System::host_name().unwrap_or_default();
    let name: String = name.chars().filter(|char| !char.is_control()).take(100).collect();
    if name.is_empty() { "emberline".to_owned() } else { name }
}

/// Resident memory of this process, bytes; 0 if unknown. Takes about a millisecond.
pub fn process_memory_bytes() -> u64 {
    let own = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let memory_only = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, memory_only);
    system.process(own).map_or(0, |process| process.memory())
}
