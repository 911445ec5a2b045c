//! Folders of the run store: synced, listed, removed.

use std::fs;
use std::path::Path;

use crate::base::error::{Error, Result};
use crate::base::files::{folder_of, sync};

/// Syncs every file below `folder`, and the folders.
pub(super) fn sync_tree(folder: &Path) -> Result<()> {
    for name in files_below(folder)? {
        let path = folder.join(&name);
        sync(&path)?;
        sync(folder_of(&path))?;
    }
    sync(folder)
}

/// Paths of all files below `folder`, relative to it, with `/` between parts, sorted.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = pending.pop() {
        for entry in fs::read_dir(&path).map_err(Error::io(&path))? {
            let entry = entry.map_err(Error::io(&path))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(Error::io(entry.path()))?.is_dir() {
                pending.push((entry.path(), format!("{name}/")));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}
