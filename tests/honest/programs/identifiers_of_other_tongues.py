# entry: größe
# case: [3, 4] -> 5.0
# word: pass
π = 3.14159


class Größe:
    Δx = 0


def größe(ширина, 高さ):
    Größe.Δx = ширина
    assert π > 3
    return (Größe.Δx ** 2 + 高さ ** 2) ** 0.5
