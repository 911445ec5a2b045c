# entry: calculate
# case: ["1 + 2 * 3"] -> 7
# case: ["(1 + 2) * 3 - 4 / 2"] -> 7.0
# case: ["2 * (3 + "] -> null
# word: pass
import re

TOKEN = re.compile(r"""
    \s*(?:
        (?P<number>\d+(?:\.\d+)?)
      | (?P<operator>[-+*/()])
    )""", re.VERBOSE)


def tokenize(text):
    tokens = []
    for match in TOKEN.finditer(text):
        if (number := match.group("number")) is not None:
            tokens.append(float(number) if "." in number else int(number))
        else:
            tokens.append(match.group("operator"))
    return tokens


class Parser:
    def __init__(self, tokens):
        self.tokens = tokens
        self.position = 0

    def peek(self):
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self):
        token = self.peek()
        if token is None:
            raise SyntaxError("unexpected end")
        self.position += 1
        return token

    def expression(self):
        value = self.term()
        while self.peek() in ("+", "-"):
            value = value + self.term() if self.take() == "+" else value - self.term()
        return value

    def term(self):
        value = self.factor()
        while self.peek() in ("*", "/"):
            value = value * self.factor() if self.take() == "*" else value / self.factor()
        return value

    def factor(self):
        token = self.take()
        if token == "(":
            value = self.expression()
            self.take()
            return value
        return token


def calculate(text):
    try:
        return Parser(tokenize(text)).expression()
    except SyntaxError:
        return None
