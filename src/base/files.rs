//! Files that are whole or not there at all, their SHA-256, and JSON read with file and line of
//! what is wrong. Everything that lasts is written through here.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::{Error, Result};

/// Ends the names of files and folders that are not finished: whoever finds one after a kill may
/// remove it.
const UNFINISHED: &str = ".tmp";

/// Writes `bytes` under a name that ends with `.tmp`, syncs, renames; folders that are missing
/// are made. On an error (a full disk, say) `path` is as it was before and nothing else is left.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = unfinished(path, 0o666)?.tempfile_in(folder_of(path)).map_err(Error::io(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(path))?;
    file.persist(path).map_err(|error| Error::io(path)(error.error))?;
    sync(folder_of(path))
}

/// Makes the folder that `path` will be in, and names for what becomes `path` once it is whole; `mode`
/// less the umask are its permissions.
fn unfinished(path: &Path, mode: u32) -> Result<tempfile::Builder<'static, 'static>> {
    fs::create_dir_all(folder_of(path)).map_err(Error::io(folder_of(path)))?;
    let mut names = tempfile::Builder::new();
    names.suffix(UNFINISHED).permissions(fs::Permissions::from_mode(mode));
    Ok(names)
}

/// [`write_atomically`] of indented JSON that ends with a newline.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    // Through `Value`, whose keys are sorted: the fields of a file do not move with those of a struct.
    write_atomically(path, format!("{:#}\n", serde_json::to_value(value)?).as_bytes())
}

/// [`write_atomically`] of a whole folder, which `fill` writes into an empty one: it replaces `path` once
/// every file of it is on the disk.
pub fn write_folder_atomically(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // Removes itself on every way out but the last.
    let temporary = unfinished(path, 0o777)?.tempdir_in(folder_of(path)).map_err(Error::io(path))?;
    fill(temporary.path())?;
    for name in files_below(temporary.path())? {
        let file = temporary.path().join(name);
        sync(&file)?;
        sync(folder_of(&file))?;
    }
    remove_if_there(path)?;
    fs::rename(temporary.path(), path).map_err(Error::io(path))?;
    let _ = temporary.keep(); // it is in its place
    sync(folder_of(path))
}

/// What is directly in `folder`, sorted; nothing where it does not exist.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = listed.map_err(Error::io(folder))?;
    paths.sort();
    Ok(paths)
}

/// Paths of all files below `folder`, relative to it, with `/` between parts, sorted.
pub fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files_below(&path)?.into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

/// Removes a file or a whole folder; one that is not there is no error.
pub fn remove_if_there(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Removes from `folder` what a process was killed in the middle of writing.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    let unfinished = |path: &PathBuf| path.to_string_lossy().ends_with(UNFINISHED);
    entries(folder)?.iter().filter(|path| unfinished(path)).try_for_each(|path| remove_if_there(path))
}

/// Makes what was written to a file, or renamed and removed in a folder, durable.
pub fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::io(path))
}

/// The folder `path` is in; the current one for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// SHA-256 in lower-case hexadecimal.
pub fn hash_bytes(bytes: impl AsRef<[u8]>) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// SHA-256 of a file and its length in bytes, read in pieces: a model may be large.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let copied = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    let bytes = copied.map_err(Error::io(path))?;
    Ok((format!("{:x}", hasher.finalize()), bytes))
}

/// JSON with sorted keys and no spaces, whatever order `serde_json` was built to keep: equal values
/// give equal bytes, and so equal hashes.
pub fn canonical_json(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// Reads a file of one JSON value.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Parse`] naming the line that is wrong.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(path, &fs::read(path).map_err(Error::io(path))?)
}

/// One JSON value from `bytes`; `path` is for the error.
pub fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::parse(path, error.line(), error))
}

/// Reads a TOML file; errors as of [`read_json`].
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_toml(path, &fs::read_to_string(path).map_err(Error::io(path))?)
}

/// TOML from `text`; `path` is for the error.
pub fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => Error::parse(path, 1 + text[..span.start].matches('\n').count(), error.message()),
        None => Error::damaged(path, error.message()),
    })
}

/// One JSON value a line, each line ended.
pub fn to_lines<T: Serialize>(rows: &[T]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, row)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// What [`to_lines`] wrote; `path` is for the error. A last line without its newline is an error: it
/// was cut short.
pub fn parse_lines<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<Vec<T>> {
    let parse = |(index, line): (usize, &[u8])| {
        let line =
            line.strip_suffix(b"\n").ok_or_else(|| Error::parse(path, index + 1, "the line is cut short"))?;
        serde_json::from_slice(line).map_err(|error| Error::parse(path, index + 1, error))
    };
    bytes.split_inclusive(|byte| *byte == b'\n').enumerate().map(parse).collect()
}

/// `bytes` as a gzip file: equal bytes give equal files, as no time and no name go in.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).and_then(|()| packed.finish()).map_err(Error::io("(gzip)"))
}

/// What [`compress`] was given; `path` is for the error.
pub fn decompress(path: &Path, packed: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).map_err(|error| Error::damaged(path, error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back_and_damage_is_named() {
        let text = "+++w++++ ".repeat(1000);
        let packed = compress(text.as_bytes()).unwrap();
        assert!(packed.len() < 100);
        assert_eq!(packed, compress(text.as_bytes()).unwrap());
        let path = Path::new("rows.gz");
        assert_eq!(decompress(path, &packed).unwrap(), text.as_bytes());
        let mut flipped = packed.clone();
        flipped[packed.len() - 6] ^= 1; // in the checksum
        for damaged in [&packed[..packed.len() - 9], &flipped, b"", text.as_bytes()] {
            let error = decompress(path, damaged).unwrap_err().to_string();
            assert!(error.starts_with("rows.gz: "), "{error}");
        }
    }

    #[test]
    fn canonical_json_ignores_the_order_of_keys() {
        let canonical = |text: &str| canonical_json(serde_json::from_str(text).unwrap());
        let one = canonical(r#"{"b": [1, {"z": 1, "a": 0.5}], "a": "x\"y"}"#);
        assert_eq!(one, canonical(r#"{"a":"x\"y","b":[1,{"a":0.5,"z":1}]}"#));
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/abc");
        write_atomically(&path, b"abc").unwrap();
        assert_eq!(hash_file(&path).unwrap(), (hash_bytes(b"abc"), 3));
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        let save = |text: &'static str| {
            move |folder: &Path| {
                write_atomically(&folder.join("deep/a"), text.as_bytes())?;
                write_atomically(&folder.join("b"), b"")
            }
        };
        write_folder_atomically(&path, save("one")).unwrap();
        write_folder_atomically(&path, save("two")).unwrap();
        assert_eq!(files_below(&path).unwrap(), ["b", "deep/a"]);
        let failed = write_folder_atomically(&path, |folder| {
            save("three")(folder)?;
            Err(Error::config("x", "the model went missing"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(path.join("deep/a")).unwrap(), "two");
        fs::create_dir(root.path().join("state.tmp")).unwrap();
        remove_unfinished(root.path()).unwrap();
        assert_eq!(entries(root.path()).unwrap(), [path]);
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        for value in [1, 2] {
            write_json(&path, &value).unwrap();
            assert_eq!(read_json::<u32>(&path).unwrap(), value);
        }
        // A folder cannot be replaced by a file: the rename fails at the very end.
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_atomically(&folder.path().join("taken"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o600, 0o600);
    }
}
