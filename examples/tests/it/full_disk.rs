//! A registry without room.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::following::Input;

/// A file system of 32 MB in memory, unmounted in the end; `None` where that is not permitted.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m", "none"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => eprintln!(
                "skipped: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            Err(error) => eprintln!("skipped: mount: {error}"),
        }
        None
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let full = std::fs::write(self.0.join("ballast"), vec![0; 64 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_waited_for_and_nothing_is_lost() {
    let mut undisturbed = Input::new();
    undisturbed.appear(0..9);
    let expected = undisturbed.follow(9.0);

    let mut input = Input::new();
    let models = input.path("models");
    let Some(disk) = SmallDisk::mount(&models) else {
        return;
    };
    input.appear(0..3);
    input.follow(3.0);
    assert_eq!(input.models().len(), 2);

    // It says why and ends when there is no room for longer than the patience lasts.
    disk.fill();
    input.appear(3..6);
    input.config.patience = Duration::from_millis(200);
    let failure = input.start().end().unwrap_err();
    let why = failure.render();
    assert!(why.contains("No space left on device"), "{why}");
    assert_eq!(failure.exit_code(), 1);

    // With more patience it goes on as soon as there is room.
    input.config.patience = Duration::from_secs(60);
    let running = input.start();
    input.appear(6..9);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(input.models().len(), 2, "no room for more");
    disk.free();
    running.wait(r#"dumps_total{language="HI",outcome="published"}"#, 6.0);
    let summary = running.stop();
    assert_eq!(summary.events, expected.events);
    assert_eq!(summary.quality, expected.quality);
    assert!(input.models() == undisturbed.models(), "the models differ");
}
