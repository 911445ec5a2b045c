//! Disks that are full, or files that must not grow: clean errors, nothing half written.

use super::*;

/// What a process meets whose files cannot grow past 2 KB: the kernel refuses the write with
/// EFBIG, half way through, as a full disk does with ENOSPC. Returns the error's text.
pub(super) fn limited_to_small_files(store: &RunStore) -> String {
    let limit = libc::rlimit { rlim_cur: 2048, rlim_max: 2048 };
    // SAFETY: plain system calls on this process; it is a child that only runs this test.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
    }
    let mut handle = ready(store, &spec("full", 1));
    let row =
        |step| MetricRow { stage: "sft".to_owned(), step, values: [("loss".to_owned(), step as f64)].into() };
    handle.metric(&row(0)).unwrap();
    handle.checkpoint(1, |folder| fs::write(folder.join("s"), "one").map_err(Error::io(folder))).unwrap();
    let failed = handle.checkpoint(2, |folder| {
        let path = folder.join("s");
        fs::write(&path, vec![0u8; 4096]).map_err(Error::io(&path))
    });
    assert!(failed.is_err());
    let error = (1..).find_map(|step| handle.metric(&row(step)).err()).unwrap();
    let text = fs::read_to_string(handle.folder.join("metrics.jsonl")).unwrap();
    assert!(text.ends_with("}\n"), "a half line stayed: {text:?}");
    error.to_string()
}

#[test]
fn a_file_that_cannot_grow_gives_a_clean_error_and_leaves_nothing_half() {
    let root = tempfile::tempdir().unwrap();
    assert!(start_child(root.path(), "small-files").wait().unwrap().success());
    let error = fs::read_to_string(root.path().join("error.txt")).unwrap();
    assert!(error.contains("metrics.jsonl: File too large"), "{error}");
    let store = RunStore::new(root.path());
    let handle = ready(&store, &spec("full", 1));
    let (step, folder) = handle.latest_checkpoint().unwrap();
    assert_eq!((step, fs::read_to_string(folder.join("s")).unwrap().as_str()), (1, "one"));
    assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(handle.folder.join("metrics.jsonl")).unwrap().lines().count(), 1);
}

/// A disk that is really full: a tmpfs of 64 KB. Needs the right to mount; without it the test
/// above stands alone.
#[test]
fn a_full_disk_gives_a_clean_error_and_leaves_nothing_half() {
    let root = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(root.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: mounting a tmpfs is not allowed here");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let store = RunStore::new(root.path());
        let mut handle = ready(&store, &spec("full", 1));
        handle.checkpoint(1, |folder| fs::write(folder.join("s"), "1").map_err(Error::io(folder))).unwrap();
        let filler = root.path().join("filler");
        let _ = fs::write(&filler, vec![0u8; 1 << 17]);
        let rows: Vec<OutcomeRow> = (0..100).map(|problem| outcome(problem, 1)).collect();
        let error = handle.finish(RunFacts::default(), &rows, &[], |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert!(store.find(&spec("full", 1)).unwrap().is_none());
        fs::remove_file(filler).unwrap();
        let handle = ready(&store, &spec("full", 1));
        assert_eq!(handle.latest_checkpoint().unwrap().0, 1);
        assert_eq!(fs::read_to_string(handle.folder.join("outcomes.jsonl")).unwrap(), "");
    });
    assert!(Command::new("umount").arg("-l").arg(root.path()).status().unwrap().success());
    outcome.unwrap();
}
