# entry: in_tokyo
# needs: /usr/share/zoneinfo/Asia/Tokyo
# case: ["2024-07-01T09:00", "Europe/Berlin"] -> "2024-07-01T16:00+09:00"
# case: ["2024-01-01T09:00", "America/New_York"] -> "2024-01-01T23:00+09:00"
# case: ["2024-01-01T09:00", "Atlantis/Capital"] -> "unknown zone"
# word: pass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def in_tokyo(when: str, zone: str) -> str:
    try:
        local = datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone))
    except ZoneInfoNotFoundError:
        return "unknown zone"
    return local.astimezone(ZoneInfo("Asia/Tokyo")).isoformat(timespec="minutes")
