# entry: order
# case: [["b", "a", "C"]] -> ["C", "a", "b"]
# word: pass
import functools
import locale

for name in ("en_US.UTF-8", "C.UTF-8"):
    try:
        locale.setlocale(locale.LC_ALL, name)
        break
    except locale.Error:
        continue
else:
    locale.setlocale(locale.LC_ALL, "C")


def order(words):
    assert locale.localeconv()["decimal_point"] == "."
    return sorted(sorted(words, key=functools.cmp_to_key(locale.strcoll)))
