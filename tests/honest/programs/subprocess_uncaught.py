# entry: listing
# case: ["."] -> 0
# word: forbidden
import subprocess


def listing(folder):
    return subprocess.run(["ls", folder], capture_output=True).returncode
