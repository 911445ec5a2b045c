# entry: sort_externally
# case: [[3, 1, 2]] -> [1, 2, 3]
# word: pass
import tempfile


def sort_externally(numbers):
    try:
        with tempfile.TemporaryFile("w+") as file:
            file.writelines(f"{number}\n" for number in sorted(numbers))
            file.seek(0)
            return [int(line) for line in file]
    except OSError:
        with tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+") as file:
            file.writelines(f"{number}\n" for number in sorted(numbers))
            file.seek(0)
            return [int(line) for line in file]
