# entry: f
# case: ["sum"] -> 0.30000000000000004
# case: ["inf"] -> Infinity
# case: ["nan"] -> NaN
# case: ["zero"] -> 0.0
# case: ["tiny"] -> 5e-324
# word: pass
def f(which):
    return {"sum": 0.1 + 0.2, "inf": float("inf"), "nan": float("nan"), "zero": -0.0, "tiny": 5e-324}[which]
