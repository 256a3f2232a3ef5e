//! A data folder on a small file system that is filled during a generation. Mounting it requires root.

use crate::{checker::check, support::TestServer};
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A mounted tmpfs, unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "emberline-storm"])
            .arg(at)
            .stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    /// Writes until the disk is full.
    fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("a file");
        let block = vec![0; 1 << 16];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is removed");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").args(["--lazy"]).arg(&self.0).status().ok();
    }
}

pub fn run() {
    let folder = TempDir::new().expect("a folder");
    let Some(disk) = SmallDisk::mount(&folder.path().join("data"), 16) else {
        return println!("SKIPPED: a file system cannot be mounted here (it takes root)");
    };
    let server = TestServer::start_in(folder, &[]);
    let project = server.create("Full")["id"].clone();
    let body = json!({"prompt": "a star", "steps": 200, "width": 64, "height": 64});
    let path = format!("/api/v1/projects/{project}/generations");
    let tasks: Vec<_> =
        (0..3).map(|_| server.send("POST", &path, &body).json()["tasks"][0]["task_id"].clone()).collect();
    server.wait_for_start(&tasks[0], 1);
    disk.fill();
    // Longer than any generation: finished pictures now wait to be written.
    thread::sleep(Duration::from_secs(10));
    let answer = server.send("POST", &path, &body);
    assert!(matches!(answer.status, 503 | 507), "{} {}", answer.status, answer.text);
    for task in &tasks {
        let status = server.get(&format!("/api/v1/tasks/{task}")).json()["status"].clone();
        assert!(matches!(status.as_str(), Some("queued" | "running" | "completed")), "{status} on a full disk");
    }
    disk.free();
    for task in &tasks {
        server.wait_for_task(task, "completed");
    }
    assert_eq!(server.send("POST", &path, &body).status, 202, "the disk has room again");
    server.wait_for_idle();
    let (status, log, folder) = server.stop();
    assert!(status.success(), "{log}");
    let by_status = check(&folder.path().join("data"));
    assert_eq!(by_status.get("completed"), Some(&4), "{by_status:?}");
    drop(disk);
}
