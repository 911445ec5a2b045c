# entry: f
# case: [1] -> 1
# word: forbidden
import socket


def f(x):
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("127.0.0.1", 0))
    return x
