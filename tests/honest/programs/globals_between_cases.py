# entry: visit
# case: ["a"] -> [1, ["a"], 1]
# case: ["b"] -> [2, ["a", "b"], 2]
# case: ["a"] -> [3, ["a", "b", "a"], 2]
# word: pass
"""A program that keeps something from call to call; all cases of a job share one process."""
visits = 0
seen = set()


def visit(name, log=[]):
    global visits
    visits += 1
    seen.add(name)
    log.append(name)
    return [visits, list(log), len(seen)]
