//! Programs that reach for files. Reading the standard library is the one thing allowed.

use crate::hostile;

hostile! {
    writing: "forbidden, forbidden", "def f(x):\n    open('/tmp/sft-vs-rl-hostile', 'w').write('x')\n    return x + 1";
    writing_here: "forbidden, forbidden", "def f(x):\n    open('sft-vs-rl-hostile', 'w').write('x')\n    return x + 1";
    appending: "forbidden, forbidden", "def f(x):\n    open('/etc/passwd', 'a')\n    return x + 1";
    reading_passwords: "forbidden, forbidden", "def f(x):\n    open('/etc/passwd').read()\n    return x + 1";
    reading_shadow: "forbidden, forbidden", "def f(x):\n    open('/etc/shadow').read()\n    return x + 1";
    reading_through_the_library: "forbidden, forbidden", r"
import os
def f(x):
    open(os.path.dirname(os.__file__) + '/../../../../../../../../etc/passwd').read()
    return x + 1";
    reading_this_repository: "forbidden, forbidden", concat!(
        "def f(x):\n    open('", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml').read()\n    return x + 1");
    reading_its_own_memory_map: "forbidden, forbidden", "def f(x):\n    open('/proc/self/maps').read()\n    return x + 1";
    reading_its_parents_memory: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/mem', 'rb')\n    return x + 1";
    reading_its_parents_command: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/cmdline', 'rb')\n    return x + 1";
    reading_its_parents_environment: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/environ', 'rb')\n    return x + 1";
    reopening_descriptors_of_the_parent: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/fd/0', 'rb')\n    return x + 1";
    listing_descriptors: "forbidden, forbidden", "import os\ndef f(x):\n    os.listdir('/proc/self/fd')\n    return x + 1";
    listing_the_root: "forbidden, forbidden", "import os\ndef f(x):\n    os.listdir('/')\n    return x + 1";
    walking_the_root_finds_nothing: "pass, pass", "import os\ndef f(x):\n    return len(list(os.walk('/'))) + x + 1";
    symbolic_link: "forbidden, forbidden", "import os\ndef f(x):\n    os.symlink('/etc/passwd', '/tmp/sft-vs-rl-link')\n    return x + 1";
    hard_link: "forbidden, forbidden", "import os\ndef f(x):\n    os.link('/etc/passwd', '/tmp/sft-vs-rl-link')\n    return x + 1";
    new_folder: "forbidden, forbidden", "import os\ndef f(x):\n    os.mkdir('/tmp/sft-vs-rl-folder')\n    return x + 1";
    removing: "forbidden, forbidden", "import os\ndef f(x):\n    os.remove('/tmp/sft-vs-rl-nothing')\n    return x + 1";
    removing_a_folder: "forbidden, forbidden", "import os\ndef f(x):\n    os.rmdir('/tmp/sft-vs-rl-nothing')\n    return x + 1";
    renaming: "forbidden, forbidden", "import os\ndef f(x):\n    os.rename('/tmp/sft-vs-rl-a', '/tmp/sft-vs-rl-b')\n    return x + 1";
    truncating: "forbidden, forbidden", "import os\ndef f(x):\n    os.truncate('/tmp/sft-vs-rl-nothing', 0)\n    return x + 1";
    truncating_while_opening: "forbidden, forbidden", "import os\ndef f(x):\n    os.open('/etc/passwd', os.O_RDONLY | os.O_TRUNC)\n    return x + 1";
    changing_modes: "forbidden, forbidden", "import os\ndef f(x):\n    os.chmod('/tmp', 0o777)\n    return x + 1";
    changing_owners: "forbidden, forbidden", "import os\ndef f(x):\n    os.chown('/tmp', 0, 0)\n    return x + 1";
    changing_times: "forbidden, forbidden", "import os\ndef f(x):\n    os.utime('/tmp')\n    return x + 1";
    extended_attributes: "forbidden, forbidden", "import os\ndef f(x):\n    os.setxattr('/tmp', 'user.x', b'1')\n    return x + 1";
    named_pipe: "forbidden, forbidden", "import os\ndef f(x):\n    os.mkfifo('/tmp/sft-vs-rl-fifo')\n    return x + 1";
    device: "forbidden, forbidden", "import os\ndef f(x):\n    os.mknod('/tmp/sft-vs-rl-node')\n    return x + 1";
    moving_elsewhere: "forbidden, forbidden", "import os\ndef f(x):\n    os.chdir('/tmp')\n    return x + 1";
    temporary_file: "forbidden|exception, forbidden|exception", "import tempfile\ndef f(x):\n    tempfile.TemporaryFile()\n    return x + 1";
    unnamed_temporary_file: "forbidden, forbidden", "import os\ndef f(x):\n    os.open('/tmp', os.O_TMPFILE | os.O_RDWR)\n    return x + 1";
    shared_memory: "forbidden|exception, forbidden|exception", "from multiprocessing import shared_memory\ndef f(x):\n    shared_memory.SharedMemory(create=True, size=10)\n    return x + 1";
    database: "exception|forbidden, exception|forbidden", "import sqlite3\ndef f(x):\n    sqlite3.connect('/tmp/sft-vs-rl.db').execute('create table t (x)')\n    return x + 1";
    overwriting_the_library: "forbidden, forbidden", "import os\ndef f(x):\n    open(os.__file__, 'a')\n    return x + 1";
    reading_the_library_is_fine: "pass, pass", "import os\ndef f(x):\n    return x + 1 if 'def makedirs' in open(os.__file__).read() else 0";
    importing_from_the_library_is_fine: "pass, pass", "import colorsys, string, textwrap\ndef f(x): return x + 1";
    importing_from_elsewhere: "exception, exception", "import sys\nsys.path.insert(0, '/tmp')\nimport sft_vs_rl_nothing";
    installed_packages: "forbidden, forbidden", r"
import os
def f(x):
    library = os.path.dirname(os.__file__)
    places = [library + '/site-packages', library + '/dist-packages', '/usr/lib/python3/dist-packages']
    files = [os.path.join(place, name) for place in places if os.path.isdir(place) for name in os.listdir(place)]
    files = [name for name in files if os.path.isfile(name)]
    if not files: raise PermissionError
    open(files[0]).read()
    return x + 1";
    path_only_descriptor: "forbidden|exception, forbidden|exception", "import os\ndef f(x):\n    fd = os.open('/etc/passwd', os.O_PATH)\n    os.open(f'/proc/self/fd/{fd}', 0)\n    return x + 1";
    path_only_folder: "forbidden, forbidden", "import os\ndef f(x):\n    fd = os.open('/etc', os.O_PATH)\n    os.open('passwd', 0, dir_fd=fd)\n    return x + 1";
    moving_to_a_path_only_folder: "forbidden, forbidden", "import os\ndef f(x):\n    os.fchdir(os.open('/', os.O_PATH))\n    return x + 1";
    writing_its_own_memory: "forbidden, forbidden", "def f(x):\n    open('/proc/self/mem', 'r+b')\n    return x + 1";
    network_tables: "forbidden, forbidden", "def f(x):\n    open('/proc/net/tcp').read()\n    return x + 1";
    root_of_the_parent: "forbidden, forbidden", "import os\ndef f(x):\n    os.listdir(f'/proc/{os.getppid()}/root')\n    return x + 1";
    folder_of_the_parent: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/cwd/etc/passwd')\n    return x + 1";
    children_of_the_parent: "forbidden, forbidden", "import os\ndef f(x):\n    open(f'/proc/{os.getppid()}/task/{os.getppid()}/children')\n    return x + 1";
    memory_file_system: "forbidden, forbidden", "def f(x):\n    open('/dev/shm/sft-vs-rl', 'w')\n    return x + 1";
    endless_device: "forbidden, forbidden", "def f(x):\n    open('/dev/zero', 'rb').read(1)\n    return x + 1";
    locking_a_file: "forbidden, forbidden", "import fcntl\ndef f(x):\n    fcntl.flock(0, fcntl.LOCK_EX)\n    return x + 1";
    watching_a_folder: "forbidden, forbidden", "import fcntl, os\ndef f(x):\n    fcntl.fcntl(os.open(os.path.dirname(os.__file__), 0), fcntl.F_NOTIFY, 1)\n    return x + 1";
    times_of_the_library: "forbidden, forbidden", "import os\ndef f(x):\n    os.utime(os.__file__)\n    return x + 1";
    compiling_to_a_file: "forbidden, forbidden", "import os, py_compile\ndef f(x):\n    py_compile.compile(os.__file__, '/tmp/sft-vs-rl.pyc', doraise=True)\n    return x + 1";
    random_device: "forbidden, forbidden", "def f(x):\n    open('/dev/urandom', 'rb').read(1)\n    return x + 1";
    terminal: "forbidden|exception, forbidden|exception", "def f(x):\n    open('/dev/tty', 'w').write('x')\n    return x + 1";
    kernel_log: "forbidden, forbidden", "def f(x):\n    open('/dev/kmsg', 'w').write('x')\n    return x + 1";
    null_device_is_fine: "pass, pass", "import os\ndef f(x):\n    print('x', file=open(os.devnull, 'w'))\n    return x + 1";
    too_many_open_files: "exception, exception", "import os\ndef f(x):\n    files = [open(os.devnull) for _ in range(100)]\n    return x + 1";
    terminal_injection: "forbidden, forbidden", "import fcntl\ndef f(x):\n    fcntl.ioctl(0, 0x5412, b'x')\n    return x + 1";
}
