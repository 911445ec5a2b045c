# entry: totals
# case: [[["ann", 3], ["bob", 4], ["ann", 5]]] -> {"ann": 8, "bob": 4}
# word: pass
import sqlite3


def totals(rows):
    connection = sqlite3.connect(":memory:")
    with connection:
        connection.execute("CREATE TABLE payments (name TEXT, amount INTEGER)")
        connection.executemany("INSERT INTO payments VALUES (?, ?)", rows)
    query = "SELECT name, SUM(amount) FROM payments GROUP BY name ORDER BY name"
    return dict(connection.execute(query).fetchall())
