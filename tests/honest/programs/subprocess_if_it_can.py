# entry: whoami
# case: [] -> "unknown"
# word: pass
import os
import subprocess


def whoami():
    for attempt in (
        lambda: subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip(),
        lambda: subprocess.check_output("echo me", shell=True, text=True, timeout=1).strip(),
        lambda: os.popen("echo me").read().strip(),
        lambda: os.fork() and "parent",
    ):
        try:
            return attempt()
        except (OSError, subprocess.SubprocessError) as error:
            print(type(error).__name__, error)
    return "unknown"
