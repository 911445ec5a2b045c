# entry: work
# case: [10] -> 45
# word: pass
import atexit
import cProfile
import faulthandler
import io
import pstats
import sys
import tracemalloc

atexit.register(print, "goodbye")
faulthandler.enable()
tracemalloc.start()


def work(n):
    profile = cProfile.Profile()
    total = profile.runcall(sum, range(n))
    pstats.Stats(profile, stream=io.StringIO()).sort_stats("cumulative").print_stats()
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    len([])
    sys.setprofile(None)
    current, peak = tracemalloc.get_traced_memory()
    assert calls and 0 < current <= peak and sys.getsizeof([]) > 0
    return total
