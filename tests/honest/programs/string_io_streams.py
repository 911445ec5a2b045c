# entry: totals
# case: ["name,amount\nann,3\nbob,4\nann,5\n"] -> "name,total\r\nann,8\r\nbob,4\r\n"
# word: pass
import csv
import io


def totals(text):
    sums = {}
    for row in csv.DictReader(io.StringIO(text)):
        sums[row["name"]] = sums.get(row["name"], 0) + int(row["amount"])
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(["name", "total"])
    writer.writerows(sorted(sums.items()))
    return output.getvalue()
