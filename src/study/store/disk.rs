//! The few file operations everything else in the run store is built from: write whole or not at
//! all, make it durable, hash it, read it back with the line number of what is wrong.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::error::{Error, Result};

/// Ends the names of files and folders that are not finished; they are removed when a run begins.
pub(super) const UNFINISHED: &str = ".tmp";

/// Writes `bytes` under a temporary name, syncs, renames. On an error (a full disk, say) the
/// temporary file is removed and `path` is as it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!("{name}{UNFINISHED}"));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // Best effort: the error that matters is the one being reported.
        let _ = fs::remove_file(&temporary);
        return Err(Error::Io { path: path.to_path_buf(), source });
    }
    sync_parent(path)
}

/// Makes a rename or a removal in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
}

pub(super) fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// Syncs every file below `folder`, and the folders.
pub(super) fn sync_tree(folder: &Path) -> Result<()> {
    for name in files_below(folder)? {
        let path = folder.join(&name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
        sync_parent(&path)?;
    }
    sync_folder(folder)
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

pub(super) fn hash_bytes(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file and its length in bytes, read in pieces (a model may be large).
pub(super) fn hash_file(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    let mut length = 0;
    loop {
        match file.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok((to_hex(&hasher.finalize()), length)),
            count => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys and no spaces, whatever order `serde_json` was built to keep: equal
/// configurations give equal bytes.
pub(super) fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical_json(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical_json).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

pub(super) fn to_value(path: &Path, value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::damaged(path, error))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::parse(path, error.line(), error))
}

/// One value a line. A last line without its newline is an error: it was cut short.
pub(super) fn parse_lines<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else {
            return Err(Error::parse(path, index + 1, "the line is cut short"));
        };
        rows.push(serde_json::from_slice(line).map_err(|error| Error::parse(path, index + 1, error))?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_ignores_the_order_of_keys() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let one = canonical_json(&parse(r#"{"b": [1, {"z": 1, "a": 0.5}], "a": "x\"y"}"#));
        assert_eq!(one, canonical_json(&parse(r#"{"a":"x\"y","b":[1,{"a":0.5,"z":1}]}"#)));
        assert_eq!(one, r#"{"a":"x\"y","b":[1,{"a":0.5,"z":1}]}"#);
    }

    #[test]
    fn a_line_cut_short_is_named() {
        let path = Path::new("rows.jsonl");
        assert_eq!(parse_lines::<u32>(path, b"1\n2\n").unwrap(), [1, 2]);
        assert!(parse_lines::<u32>(path, b"").unwrap().is_empty());
        let error = parse_lines::<u32>(path, b"1\n2").unwrap_err().to_string();
        assert_eq!(error, "rows.jsonl:2: the line is cut short");
        let error = parse_lines::<u32>(path, b"1\nx\n3\n").unwrap_err().to_string();
        assert!(error.starts_with("rows.jsonl:2: "), "{error}");
    }

    #[test]
    fn known_digest() {
        // sha256("abc"), FIPS 180-2 appendix B.1.
        assert!(hash_bytes(b"abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
