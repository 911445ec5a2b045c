# entry: online
# case: [] -> [false, false, false]
# word: pass
import http.client
import socket
import urllib.request


def online():
    found = []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.settimeout(0.5)
            found.append(connection.connect_ex(("127.0.0.1", 9)) == 0)
    except OSError:
        found.append(False)
    try:
        urllib.request.urlopen("http://127.0.0.1:9/", timeout=0.5)
        found.append(True)
    except Exception:
        found.append(False)
    try:
        found.append(bool(socket.gethostbyname("localhost.invalid")))
    except OSError:
        found.append(False)
    return found
