//! Programs that try to speak to anyone.

use crate::hostile;

hostile! {
    tcp: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.create_connection(('127.0.0.1', 80), 0.1)\n    return x + 1";
    tcp_caught: "pass, pass", r"
import socket
def f(x):
    try: socket.socket()
    except PermissionError: return x + 1
    return 0";
    listening: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.create_server(('127.0.0.1', 0))\n    return x + 1";
    udp: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))\n    return x + 1";
    raw_packets: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n    return x + 1";
    kernel_messages: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\n    return x + 1";
    unix_socket: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.socket(socket.AF_UNIX).connect('/run/docker.sock')\n    return x + 1";
    abstract_socket: "forbidden, forbidden", "import socket\ndef f(x):\n    socket.socket(socket.AF_UNIX).bind('\\0x')\n    return x + 1";
    socket_pair: "pass, pass", "import socket\ndef f(x):\n    socket.socketpair()\n    return x + 1";
    name_lookup: "forbidden|exception, forbidden|exception", "import socket\ndef f(x):\n    socket.getaddrinfo('example.com', 80)\n    return x + 1";
    web: "forbidden|exception, forbidden|exception", "import urllib.request\ndef f(x):\n    urllib.request.urlopen('http://127.0.0.1/')\n    return x + 1";
    event_loop: "pass, pass", "import asyncio\nasync def g(x): return x + 1\ndef f(x):\n    return asyncio.run(g(x))";
    raw_socket_call: "pass, pass", "import ctypes\ndef f(x):\n    return x + 1 if ctypes.CDLL(None).socket(2, 1, 0) == -1 else 0";
    virtual_sockets: "pass, pass", "import ctypes\ndef f(x):\n    return x + 1 if ctypes.CDLL(None).socket(40, 1, 0) == -1 else 0";
}
