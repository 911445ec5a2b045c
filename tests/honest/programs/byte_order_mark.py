# entry: f
# case: [1] -> 2
# case: ["é"] -> "é1"
# word: pass
﻿# -*- coding: utf-8 -*-
def f(x):
    """Größe"""
    return x + ("1" if isinstance(x, str) else 1)
