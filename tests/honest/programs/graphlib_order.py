# entry: order
# case: [{"d": ["b", "c"], "b": ["a"], "c": ["a"]}] -> ["a", "b", "c", "d"]
# case: [{"a": ["b"], "b": ["a"]}] -> "cycle"
# word: pass
from graphlib import CycleError, TopologicalSorter


def order(graph):
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError:
        return "cycle"
    result = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        result.extend(ready)
        sorter.done(*ready)
    return result
