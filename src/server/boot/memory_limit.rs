//! How much memory this process may use: the least of what its control groups, its own limits and
//! the machine allow.
//!
//! Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst` (`memory.max`, which counts for
//! all groups below, too) and `cgroup-v1/memory.rst`; getrlimit(2).

use crate::serving::memory::Addresses;
use corerest_config::Config;
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};

/// The part of it that clients may make the server hold. The rest is for what nobody asks for:
/// the catalog, the buffers of threads and connections, and what allocators leave unused.
const CLIENTS_PART: usize = 2;

/// How many bytes clients may make the server hold: `server-max-memory`, or a part of what the
/// process may use.
pub(super) fn clients_bytes_max(config: &Config) -> usize {
    match config.server_max_memory {
        Some(0) => usize::MAX,
        Some(bytes) => bytes,
        None => process_bytes_max(Path::new("/")).map_or(usize::MAX, |bytes| bytes / CLIENTS_PART),
    }
}

/// Whether the process has a limit of its own, which counts addresses, used or not.
pub(super) fn addresses() -> Addresses {
    match own_limits().next() {
        Some(_) => Addresses::Limited,
        None => Addresses::Plenty,
    }
}

fn own_limits() -> impl Iterator<Item = usize> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let limits = limits.into_iter().flatten();
    limits.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// How many bytes the process may use; `None` if nothing tells.
fn process_bytes_max(root: &Path) -> Option<usize> {
    let of_groups = fs::read_to_string(root.join("proc/self/cgroup"));
    let of_groups = of_groups.map_or(Vec::new(), |groups| group_limits(root, &groups));
    own_limits()
        .chain(of_groups)
        .chain(machine_bytes(root))
        .min()
}

/// `MemTotal` of `/proc/meminfo`, which is in KiB.
fn machine_bytes(root: &Path) -> Option<usize> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limits of the process's groups, and of those that they are in. Each line of `groups` is
/// `number:controllers:path`; the second version has the number 0 and no controllers.
fn group_limits(root: &Path, groups: &str) -> Vec<usize> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = if controllers.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let mount = root.join(mount);
        // In a container the path may be that of the host; then the group is the mount itself.
        let mut folder = Some(PathBuf::from(path.trim_start_matches('/')));
        while let Some(inner) = folder {
            let limit = fs::read_to_string(mount.join(&inner).join(file));
            // "max" is no number, and no limit.
            limits.extend(
                limit
                    .ok()
                    .and_then(|text| text.trim().parse::<usize>().ok()),
            );
            folder = inner.parent().map(Path::to_path_buf);
        }
    }
    limits
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    /// A file system with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_limit_counts_wherever_it_stands() {
        let root = root(&[
            ("proc/self/cgroup", "0::/a/b/c\n"),
            ("proc/meminfo", "MemTotal:        2000 kB\nMemFree: 1 kB\n"),
            ("sys/fs/cgroup/a/b/c/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
        ]);
        assert_eq!(process_bytes_max(root.path()), Some(1_000_000));
        fs::write(root.path().join("sys/fs/cgroup/memory.max"), "999").unwrap();
        assert_eq!(process_bytes_max(root.path()), Some(999));
    }

    #[test]
    fn the_first_version_of_groups_is_known_too() {
        let root = root(&[
            ("proc/self/cgroup", "4:cpu,cpuacct:/x\n7:memory:/docker/1\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/memory.max", "1\n"),
        ]);
        assert_eq!(process_bytes_max(root.path()), Some(5000));
    }

    #[test]
    fn a_machine_alone_has_its_memory() {
        let root = root(&[("proc/meminfo", "MemTotal: 3 kB\n")]);
        assert_eq!(process_bytes_max(root.path()), Some(3072));
    }

    #[test]
    fn the_key_comes_first() {
        let of = |server_max_memory| {
            clients_bytes_max(&Config {
                server_max_memory,
                ..Config::default()
            })
        };
        assert_eq!(of(Some(5)), 5);
        assert_eq!(of(Some(0)), usize::MAX);
        assert!(of(None) > 0);
    }
}
