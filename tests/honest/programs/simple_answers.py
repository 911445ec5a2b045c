# entry: answer
# case: ["none"] -> null
# case: ["true"] -> true
# case: ["false"] -> false
# case: ["empty list"] -> []
# case: ["empty dict"] -> {}
# case: ["empty text"] -> ""
# case: ["float"] -> 1e100
# case: ["nested"] -> {"a": [{"b": null}, [], [[]]], "c": {"d": {}}}
# case: ["minus"] -> -9223372036854775809
# word: pass
def answer(which):
    if which == "none":
        return
    return {
        "true": 1 < 2,
        "false": not 1,
        "empty list": list(),
        "empty dict": dict(),
        "empty text": "",
        "float": 10.0 ** 100,
        "nested": {"c": {"d": {}}, "a": [{"b": None}, [], [[]]]},
        "minus": -(2 ** 63) - 1,
    }[which]
