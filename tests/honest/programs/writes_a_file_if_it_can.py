# entry: save
# case: [[1, 2, 3]] -> 6
# case: [[]] -> 0
# word: pass
import os
import pathlib


def save(numbers):
    total = sum(numbers)
    try:
        with open("result.txt", "w") as file:
            file.write(str(total))
    except OSError as error:
        print(f"could not write the result: {error}")
    try:
        os.makedirs("cache", exist_ok=True)
        pathlib.Path("cache/total").write_text(str(total))
    except Exception as error:
        print(error)
    return total
