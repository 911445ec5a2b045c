# Finds the chains of up to three functions that solve a problem: they return what its hidden cases expect.
# Run in the sandbox by solvers.rs. Chains that return the same on the cases which all problems share are
# followed as one, so that a million chains take about as many calls.


def call(function, x):
    return function(x.copy() if type(x) is list else x)


def f(functions, start, common, problems):
    """functions: [source, input type, output type]; start: the input type of all problems; common: how many of
    their first inputs are the same; problems: [output type, inputs, outputs]. Returns chains of places."""
    made = []
    for source, takes, gives in functions:
        names = {}
        exec(source, names)
        *_, function = names.values()
        made.append((function, takes, gives))
    wanted = {}
    for gives, inputs, outputs in problems:
        wanted.setdefault((gives, repr(outputs[:common])), []).append((inputs[common:], outputs[common:]))
    firsts = {(gives, repr(outputs[0])) for gives, _, outputs in problems}

    def solves(chain, inputs, outputs):
        for x, y in zip(inputs, outputs):
            try:
                for place in chain:
                    x = call(made[place][0], x)
            except Exception:
                return False
            if x != y:
                return False
        return True

    found = []
    states = {start: (start, problems[0][1][:common], [()])}
    for last in (False, False, True):
        after = {}
        for kind, values, chains in states.values():
            for place, (function, takes, gives) in enumerate(made):
                if takes != kind:
                    continue
                try:
                    first = call(function, values[0])
                    if last and (gives, repr(first)) not in firsts:
                        continue
                    results = [first] + [call(function, x) for x in values[1:]]
                except Exception:
                    continue
                key = gives, repr(results)
                if not last or key in wanted:
                    longer = after.setdefault(key, (gives, results, []))[2]
                    longer.extend(chain + (place,) for chain in chains)
        for key, (_, _, chains) in after.items():
            alike = wanted.get(key, ())
            solving = {chain for chain in chains if any(solves(chain, *problem) for problem in alike)}
            found += map(list, sorted(solving))
            chains[:] = [chain for chain in chains if chain not in solving]  # what goes on from one holds it
        states = {key: state for key, state in after.items() if state[2]}
    return found
