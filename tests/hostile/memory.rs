//! Programs that take more memory than they are given. Those that take it little by little may reach
//! the limit on CPU time first, on a slow or busy machine.

use crate::hostile;

hostile! {
    long_string: "memory, memory", "def f(x):\n    return len('a' * 10 ** 10)";
    long_list: "memory, memory", "def f(x):\n    return len([0] * 10 ** 9)";
    long_bytearray: "memory, memory", "def f(x):\n    return len(bytearray(1 << 40))";
    growing_list: "memory|timeout, memory|timeout|not_run", r"
def f(x):
    a = []
    while True: a.append('x' * 100_000)";
    growing_global: "memory|timeout, memory|timeout|not_run", r"
hog = []
def f(x):
    while True: hog.append('x' * 10_000)";
    growing_string: "memory|timeout, memory|timeout|not_run", "def f(x):\n    s = 'x'\n    while True: s += s";
    growing_dict: "memory|timeout, memory|timeout|not_run", r"
def f(x):
    d = {}
    while True: d[len(d)] = [0] * 1000";
    caught_and_tried_again: "timeout|memory", r"
def f(x):
    hog = []
    while True:
        try: hog.append(bytearray(1 << 20))
        except MemoryError: pass";
    one_case_out_of_memory_and_the_next_fine: "memory, pass", r"
def f(x):
    if x == 1: bytearray(1 << 40)
    return x + 1";
    anonymous_map: "memory, memory", "import mmap\ndef f(x):\n    mmap.mmap(-1, 1 << 34)\n    return x + 1";
    shared_map_piece_by_piece: "memory|timeout, memory|timeout|not_run", r"
import mmap
def f(x):
    maps = []
    while True:
        maps.append(mmap.mmap(-1, 8 << 20))
        maps[-1][::4096] = b'x' * (8 << 8)";
    decompression_bomb: "memory|timeout, memory|timeout|not_run", r"
import zlib
def f(x):
    bomb = zlib.compressobj(9)
    small = b''.join(bomb.compress(bytes(1 << 20)) for _ in range(20)) + bomb.flush()
    return len(b''.join(zlib.decompress(small) for _ in range(1000))) and x + 1";
    big_range_as_list: "memory, memory", "def f(x):\n    return len(list(range(10 ** 11)))";
    wide_format: "memory, memory", "def f(x):\n    return len('{:>100000000000}'.format(x))";
    big_shift: "memory, memory", "def f(x):\n    return (1 << (1 << 40)) and x + 1";
    at_import: "memory, memory", "hog = bytearray(1 << 40)\ndef f(x): return x + 1";
    constant_at_import: "memory, memory", "hog = 'a' * 10 ** 11\ndef f(x): return x + 1";
    without_collector: "memory|timeout, memory|timeout|not_run", r"
import gc
gc.disable()
def f(x):
    while True:
        a = []
        a.append((a, bytearray(100_000)))";
    big_product: "memory|timeout, memory|timeout|not_run", "import itertools\ndef f(x):\n    return len(list(itertools.product(range(1000), repeat=4)))";
    deep_recursion_is_an_exception: "exception, exception", "def f(x): return f(x) + 1";
    replaced_text: "memory, memory", "def f(x):\n    return len(('a' * 10 ** 5).replace('a', 'b' * 10 ** 6))";
    array_of_numbers: "memory, memory", "import array\ndef f(x):\n    return len(array.array('q', [0]) * (1 << 31))";
    outside_of_python: "memory, memory", "import ctypes\nmalloc = ctypes.CDLL(None).malloc\nmalloc.restype = ctypes.c_void_p\ndef f(x):\n    if not malloc(ctypes.c_size_t(1 << 34)): raise MemoryError\n    return x + 1";
    many_small_maps: "memory|timeout|exception, memory|timeout|exception|not_run", r"
import mmap
def f(x):
    maps = [mmap.mmap(-1, 4096, prot=1 + 2 * (i % 2)) for i in range(100_000)]
    return x + 1";
    endless_sort: "memory|timeout, memory|timeout|not_run", "import itertools\ndef f(x):\n    return sorted(itertools.count())";
    lowering_its_own_limit: "memory|pass|malformed, memory|pass|malformed|not_run", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (0, 0))\ndef f(x): return x + 1";
    raising_its_own_limit: "exception, exception", r"
import resource
def f(x):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return x + 1";
    raising_its_own_limit_caught: "memory, memory", r"
import resource
def f(x):
    try: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError: pass
    bytearray(1 << 30)
    return x + 1";
    reading_its_own_limit_is_fine: "pass, pass", r"
import resource
def f(x): return resource.getrlimit(resource.RLIMIT_FSIZE)[0] + x + 1";
    stack_of_the_interpreter: "crashed|exception|memory|timeout, crashed|exception|memory|timeout|not_run", r"
import sys
sys.setrecursionlimit(10 ** 9)
def f(x): return f(x) + 1";
}
