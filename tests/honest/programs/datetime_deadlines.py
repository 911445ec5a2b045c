# entry: next_business_day
# case: ["2024-02-29", 1] -> "2024-03-01"
# case: ["2024-03-01", 1] -> "2024-03-04"
# case: ["2023-12-29", 3] -> "2024-01-03"
# word: pass
import calendar
import time
from datetime import date, datetime, timedelta, timezone


def next_business_day(text, days):
    started = time.perf_counter()
    day = datetime.strptime(text, "%Y-%m-%d").date()
    while days:
        day += timedelta(days=1)
        if day.weekday() < calendar.SATURDAY:
            days -= 1
    assert datetime.now(timezone.utc).year > 2000 and date.today() and time.perf_counter() >= started
    return day.isoformat()
