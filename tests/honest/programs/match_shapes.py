# entry: area
# python: 3.10
# case: [{"kind": "square", "side": 3}] -> 9
# case: [{"kind": "rectangle", "size": [2, 5]}] -> 10
# case: [["circle", 1]] -> 3.14
# case: [null] -> 0
# case: ["anything"] -> -1
# word: pass
def area(shape):
    match shape:
        case {"kind": "square", "side": side}:
            return side * side
        case {"kind": "rectangle", "size": [width, height, *_]}:
            return width * height
        case ["circle", int(radius) | float(radius)] if radius > 0:
            return round(3.14159 * radius ** 2, 2)
        case None:
            return 0
        case _:
            return -1
