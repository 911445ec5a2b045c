# entry: build
# case: ["Dog", ["bark", "run"]] -> ["Dog barks", ["bark", "run"], 3, "x is read-only"]
# word: pass
import types
from types import MappingProxyType, SimpleNamespace


class Registered(type):
    classes = []

    def __new__(mcs, name, bases, namespace, **kwargs):
        cls = super().__new__(mcs, name, bases, namespace)
        mcs.classes.append(name)
        return cls


class ReadOnly:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return 3

    def __set__(self, instance, value):
        raise AttributeError(f"{self.name} is read-only")


class Animal(metaclass=Registered):
    x = ReadOnly()

    def __getattr__(self, name):
        return lambda: f"{type(self).__name__} {name}s"


def build(name, methods):
    cls = types.new_class(name, (Animal,), exec_body=lambda ns: ns.update(methods=MappingProxyType(dict.fromkeys(methods))))
    animal = cls()
    space = SimpleNamespace(animal=animal)
    try:
        animal.x = 4
    except AttributeError as error:
        message = str(error)
    assert name in Registered.classes
    return [space.animal.bark(), list(cls.methods), animal.x, message]
