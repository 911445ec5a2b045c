# entry: observe
# case: ["hello"] -> ["a: hello", "b: hello", "a: hello", 1, 0]
# word: pass
import gc
import sys
import weakref


class Subject:
    def __init__(self):
        self._observers = weakref.WeakSet()
        self._names = weakref.WeakValueDictionary()

    def attach(self, observer):
        self._observers.add(observer)
        self._names[observer.name] = observer

    def notify(self, message, log):
        for observer in sorted(self._observers, key=lambda observer: observer.name):
            log.append(f"{observer.name}: {message}")


class Observer:
    def __init__(self, name):
        self.name = name


def observe(message):
    subject, log = Subject(), []
    a, b = Observer("a"), Observer("b")
    subject.attach(a)
    subject.attach(b)
    subject.notify(message, log)
    reference = weakref.ref(b)
    weakref.finalize(b, print, "b is gone")
    assert sys.getrefcount(b) >= 2
    del b
    gc.collect()
    subject.notify(message, log)
    return log + [len(subject._names), 0 if reference() is None else 1]
