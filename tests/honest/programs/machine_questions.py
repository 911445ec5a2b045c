# entry: questions
# case: [] -> {"cores": true, "folder": true, "user": true, "missing": "default", "pid": true, "load": true, "memory": true}
# word: pass
"""What programs ask about their machine before they choose a number of workers."""
import getpass
import multiprocessing
import os
import resource
import shutil
import sys

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("MODE", "test")


def questions():
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "nobody"
    try:
        load = os.getloadavg()[0]
    except OSError:
        load = 0.0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(shutil.get_terminal_size(), shutil.which("python3"), sys.executable, sys.argv, sys.version, sys.platform)
    return {
        "cores": os.cpu_count() >= 1 and multiprocessing.cpu_count() >= 1 and len(os.sched_getaffinity(0)) >= 1,
        "folder": os.path.isdir(os.getcwd()),
        "user": isinstance(user, str),
        "missing": os.environ.get("NO_SUCH_VARIABLE", "default"),
        "pid": os.getpid() > 0 and os.getppid() >= 0,
        "load": load >= 0,
        "memory": usage.ru_maxrss > 0,
    }
