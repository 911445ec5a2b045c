//! Finding Python, once: the real interpreter behind `python3`, and where its library lies.
//!
//! `python3` is often a shim (pyenv's costs 130 ms a call), so it is asked once for
//! `sys.executable`, and every zygote starts from that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};

/// One Python installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// The interpreter itself, no shim.
    pub executable: PathBuf,
    /// `3.11.7`
    pub version: String,
    /// Folders of the standard library, the shared libraries that its modules load, and the system's time zones,
    /// locales and lists of file types: all that a program may read.
    pub library: Vec<PathBuf>,
}

/// A shim on a busy machine may take seconds.
const PATIENCE: Duration = Duration::from_secs(30);

const QUESTION: &str = r#"
import json, os, platform, sys, sysconfig
if sys.version_info < (3, 8):
    sys.exit("Python %s is too old; 3.8 or later is needed" % platform.python_version())
if platform.python_implementation() != "CPython":
    sys.exit("%s is not CPython" % platform.python_implementation())
paths = sysconfig.get_paths()
modules = sysconfig.get_config_var("DESTSHARED") or os.path.join(paths["platstdlib"], "lib-dynload")
library = [paths["stdlib"], paths["platstdlib"], modules]
# Importing every compiled module shows which shared libraries they need.
for file in sorted(os.listdir(modules) if os.path.isdir(modules) else []):
    name = file.split(".")[0]
    if "test" not in name and not name.startswith("xx") and name not in ("_tkinter", "readline", "nis"):
        try:
            __import__(name)
        except ImportError:
            pass
if os.path.exists("/proc/self/maps"):
    with open("/proc/self/maps") as maps:
        library += ["/etc/ld.so.cache"] + [line.split()[-1] for line in maps if ".so" in line]
# What modules of the library read elsewhere: time zones, locales, file types.
library += [path for path in (sysconfig.get_config_var("TZPATH") or "").split(os.pathsep) if path]
library += ["/usr/lib/locale"] + __import__("mimetypes").knownfiles
library = {os.path.realpath(path) for path in library if os.path.exists(path)}
inside = lambda path: any(path.startswith(folder + "/") for folder in library)
print(json.dumps({
    "executable": os.path.realpath(sys.executable),
    "version": platform.python_version(),
    "library": sorted(path for path in library if not inside(path)),
}))
"#;

/// Asks `command` (default: `python3` on the `PATH`) what it is. The answer is remembered.
pub(super) fn find(command: Option<&Path>) -> Result<Python> {
    static KNOWN: Mutex<BTreeMap<PathBuf, Python>> = Mutex::new(BTreeMap::new());
    let command = command.unwrap_or(Path::new("python3"));
    // A panic while the lock was held cannot have left a half-written entry.
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !known.contains_key(command) {
        known.insert(command.to_owned(), ask(command)?);
    }
    Ok(known[command].clone())
}

fn ask(command: &Path) -> Result<Python> {
    let failed = |why: String| Error::Python(format!("`{}` {why}", command.display()));
    // As an `OsStr` it is looked up on the PATH; duct takes a `Path` to mean a file right here.
    let asked = duct::cmd(command.as_os_str(), ["-s", "-S", "-B", "-c", QUESTION])
        .dir("/")
        .stdin_null()
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .start()
        .map_err(|error| {
            failed(format!("does not start ({error}); install Python 3.8 or later, or put it on the PATH"))
        })?;
    let output = match asked.wait_timeout(PATIENCE) {
        Ok(Some(output)) => output,
        Ok(None) => {
            // Best effort: it is given up in any case.
            let _ = asked.kill();
            return Err(failed(format!("says nothing for {} s", PATIENCE.as_secs())));
        }
        Err(error) => return Err(failed(format!("cannot be waited for ({error})"))),
    };
    if !output.status.success() {
        return Err(failed(format!("says: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("gave no usable answer about itself: {error}")))
}
