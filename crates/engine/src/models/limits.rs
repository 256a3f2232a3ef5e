//! Limits on this process's memory: the machine, control groups (versions 1 and 2), the address space.

use std::{fs, path::Path};

/// One limit on this process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What sets the limit, for messages.
    pub(crate) by: &'static str,
    /// Total, bytes.
    pub(crate) total: u64,
    /// Free now, bytes.
    pub(crate) free: u64,
}

/// All known limits; empty if the system reports none.
pub(crate) fn limits() -> Vec<Limit> {
    #[cfg(target_os = "linux")]
    let own_limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    #[cfg(not(target_os = "linux"))]
    let own_limit = None;
    limits_in(Path::new("/"), own_limit)
}

/// Resident memory of this process, bytes; 0 if unknown.
pub(crate) fn resident() -> u64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|text| kib(&text, "VmRSS")).unwrap_or(0)
}

/// As [`limits`], for the system files below `root`.
fn limits_in(root: &Path, own_limit: Option<u64>) -> Vec<Limit> {
    let read = |path: &str| fs::read_to_string(root.join(path.trim_start_matches('/'))).ok();
    let memory = read("proc/meminfo");
    let of_machine = |key| memory.as_deref().and_then(|text| kib(text, key));
    let mut limits = Vec::new();
    let swap = of_machine("SwapTotal").unwrap_or(0);
    if let (Some(total), Some(available)) = (of_machine("MemTotal"), of_machine("MemAvailable")) {
        let free = available.saturating_add(of_machine("SwapFree").unwrap_or(0));
        limits.push(Limit { by: "the machine's memory", total: total.saturating_add(swap), free });
    }
    for group in read("proc/self/cgroup").as_deref().map(groups).unwrap_or_default() {
        limits.extend(
            group.folders().iter().filter_map(|folder| group.limit(&|file| read(&format!("{folder}/{file}")), swap)),
        );
    }
    if let Some(limit) = own_limit {
        let used = read("proc/self/status").and_then(|text| kib(&text, "VmSize")).unwrap_or(0);
        limits.push(Limit { by: "the limit of its address space", total: limit, free: limit.saturating_sub(used) });
    }
    limits
}

/// A line of `/proc/meminfo` or `/proc/self/status`, `MemTotal:  24684092 kB`, as bytes.
fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A control group that may limit this process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    V1(String),
    V2(String),
}

/// The groups named in `/proc/self/cgroup`: `0::/path` of version 2, `4:memory:/path` of version 1.
fn groups(text: &str) -> Vec<Group> {
    let group = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if id == "0" && controllers.is_empty() {
            Some(Group::V2(path.to_owned()))
        } else {
            controllers.split(',').any(|name| name == "memory").then(|| Group::V1(path.to_owned()))
        }
    };
    text.lines().filter_map(group).collect()
}

impl Group {
    /// The folders of this group and of its parents, each of which may set a limit. In a container the path may be the
    /// host's, and only the root exists.
    fn folders(&self) -> Vec<String> {
        let (mounts, path): (&[&str], _) = match self {
            Self::V1(path) => (&["sys/fs/cgroup/memory"], path),
            // If version 1 is mounted as well, version 2 is in `unified`.
            Self::V2(path) => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], path),
        };
        let mut paths: Vec<&str> = Vec::new();
        let mut rest = path.trim_end_matches('/');
        while !rest.is_empty() {
            paths.push(rest);
            rest = rest.rfind('/').map_or("", |at| &rest[..at]);
        }
        paths.push("");
        mounts.iter().flat_map(|mount| paths.iter().map(move |path| format!("{mount}{path}"))).collect()
    }

    /// The limit in one of its folders. Cached file contents are reclaimable and do not count as used.
    fn limit(&self, read: &dyn Fn(&str) -> Option<String>, swap: u64) -> Option<Limit> {
        let number = |file: &str| read(file).as_deref().and_then(limit);
        let cached = |key: &str| read("memory.stat").as_deref().and_then(|text| stat(text, key)).unwrap_or(0);
        let by = "the limit of its control group";
        let (limit, used, cached) = match self {
            Self::V2(_) => {
                let swap = number("memory.swap.max").map_or(swap, |most| most.min(swap));
                let limit = number("memory.max")?.saturating_add(swap);
                (limit, number("memory.current")?, cached("inactive_file"))
            }
            Self::V1(_) => {
                let with_swap = number("memory.memsw.limit_in_bytes").unwrap_or(u64::MAX);
                let limit = number("memory.limit_in_bytes")?.saturating_add(swap).min(with_swap);
                (limit, number("memory.usage_in_bytes")?, cached("total_inactive_file"))
            }
        };
        Some(Limit { by, total: limit, free: limit.saturating_sub(used.saturating_sub(cached)) })
    }
}

/// A number of a control group; none for no limit: `max` in version 2, the largest page number in version 1.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

/// A line of `memory.stat`, `inactive_file 4096`.
fn stat(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const MEMINFO: &str = "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    4194304 kB\n\
                           SwapTotal:       1048576 kB\nSwapFree:         524288 kB\n";

    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn the_machine_and_its_swap_bound_everything() {
        let root = system(&[("proc/meminfo", MEMINFO)]);
        let machine = Limit { by: "the machine's memory", total: 9 * GIB, free: 4 * GIB + GIB / 2 };
        assert_eq!(limits_in(root.path(), None), [machine]);
        assert_eq!(limits_in(&root.path().join("elsewhere"), None), []);
    }

    #[test]
    fn every_group_above_counts_and_caches_are_free() {
        let root = system(&[
            ("proc/self/cgroup", "0::/system.slice/emberline.service\n"),
            ("sys/fs/cgroup/system.slice/emberline.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/emberline.service/memory.current", "1073741824\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "1610612736\n"),
            ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 536870912\nactive_file 7\n"),
        ]);
        let group = Limit { by: "the limit of its control group", total: 2 * GIB, free: GIB };
        assert_eq!(limits_in(root.path(), None), [group]);
    }

    #[test]
    fn a_groups_swap_is_the_machines_at_the_most() {
        let files = |swap: &str| {
            let group = |file: &str| format!("sys/fs/cgroup/a/{file}");
            system(&[
                ("proc/meminfo", MEMINFO),
                ("proc/self/cgroup", "0::/a\n"),
                (&group("memory.max"), "1073741824\n"),
                (&group("memory.current"), "0\n"),
                (&group("memory.swap.max"), swap),
            ])
        };
        let limit = |swap| limits_in(files(swap).path(), None)[1].total;
        assert_eq!((limit("max\n"), limit("0\n"), limit("5368709120\n")), (2 * GIB, GIB, 2 * GIB));
    }

    #[test]
    fn version_1_is_read_too_also_from_inside_a_container() {
        let root = system(&[
            ("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/0123\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1610612736\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 3\ntotal_inactive_file 536870912\n"),
        ]);
        let group = Limit { by: "the limit of its control group", total: GIB + GIB / 2, free: GIB };
        assert_eq!(limits_in(root.path(), None), [group]);
        // No limit: the largest number of pages that there is.
        fs::write(root.path().join("sys/fs/cgroup/memory/memory.limit_in_bytes"), "9223372036854771712\n")
            .expect("written");
        assert_eq!(limits_in(root.path(), None), []);
    }

    #[test]
    fn the_address_space_counts_what_is_mapped() {
        let root = system(&[("proc/self/status", "Name:\temberline\nVmPeak:\t  900000 kB\nVmSize:\t  524288 kB\n")]);
        let space = Limit { by: "the limit of its address space", total: GIB, free: GIB / 2 };
        assert_eq!(limits_in(root.path(), Some(GIB)), [space]);
    }

    #[test]
    fn what_is_no_number_is_no_bound() {
        assert_eq!((kib("MemTotal: many kB", "MemTotal"), kib("MemTotalX: 7 kB", "MemTotal")), (None, None));
        assert_eq!((limit("max\n"), limit(""), limit("-1"), limit("4096\n")), (None, None, None, Some(4096)));
        assert_eq!(
            (stat("inactive_file x", "inactive_file"), stat("inactive_file_x 7", "inactive_file")),
            (None, None)
        );
        assert_eq!(groups("nonsense\n0:\n\n"), []);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_bound_and_takes_some_of_it() {
        let limits = limits();
        assert!(
            limits.iter().any(|limit| limit.by == "the machine's memory" && limit.free <= limit.total),
            "{limits:?}"
        );
        assert!(resident() > 1 << 20);
    }
}
