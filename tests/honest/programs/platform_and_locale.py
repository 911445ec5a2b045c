# entry: here
# case: [] -> {"system": true, "python": true, "number": "1234567.8", "sorted": ["a", "b"]}
# word: pass
import locale
import os
import platform
import sys
import sysconfig

locale.setlocale(locale.LC_ALL, "")


def here():
    print(platform.platform(), platform.processor(), platform.node(), platform.architecture(), platform.uname())
    print(locale.getlocale(), locale.getpreferredencoding(), sysconfig.get_python_version(), os.uname())
    number = locale.format_string("%.1f", 1234567.8)
    return {
        "system": platform.system() in ("Linux", "Darwin", "Windows"),
        "python": platform.python_version_tuple()[0] == str(sys.version_info.major),
        "number": number,
        "sorted": sorted(["b", "a"], key=locale.strxfrm),
    }
