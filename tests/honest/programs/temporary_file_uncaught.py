# entry: f
# case: [[3, 1]] -> [1, 3]
# word: exception
"""Python itself looks for a folder that it can write to, finds none, and says so by `FileNotFoundError`."""
import tempfile


def f(numbers):
    with tempfile.NamedTemporaryFile("w+") as file:
        file.writelines(f"{number}\n" for number in sorted(numbers))
        file.seek(0)
        return [int(line) for line in file]
