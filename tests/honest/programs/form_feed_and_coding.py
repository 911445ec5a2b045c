# entry: f
# case: [1] -> "ä"
# word: pass
#!/usr/bin/env python3
# -*- coding: latin-1 -*-

def f(x):
    return "ä" * x
