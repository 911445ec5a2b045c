# entry: setting
# case: ["depth"] -> 3
# case: ["host"] -> null
# word: pass
import configparser
import json
import os

DEFAULTS = {"depth": 3}


def load():
    settings = dict(DEFAULTS)
    for name in ("config.json", os.path.expanduser("~/.config/app.json"), "/etc/app/config.json"):
        if os.path.exists(name):
            with open(name) as file:
                settings.update(json.load(file))
    parser = configparser.ConfigParser()
    parser.read(["app.ini", "/etc/app.ini"])
    parser.read_string("[app]\ndepth = 3\n")
    assert parser.getint("app", "depth") == 3
    return settings


def setting(name):
    try:
        with open("override.json", encoding="utf-8") as file:
            return json.load(file)[name]
    except (FileNotFoundError, PermissionError):
        return load().get(name)
