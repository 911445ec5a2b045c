//! Programs that talk to the harness instead of answering.
//!
//! A program can forge its own answers: they come from its own process. That gives it nothing,
//! because a forged answer passes only if it is right, and nothing in the process knows what is.

use crate::hostile;

hostile! {
    noise_on_every_descriptor: "malformed", r"
import os
def f(x):
    for fd in range(256):
        try: os.write(fd, b'{\x22passed\x22: true}\n')
        except OSError: pass
    return x + 1";
    noise_at_import: "malformed, malformed", r"
import os
for fd in range(256):
    try: os.write(fd, b'pass\n')
    except OSError: pass
def f(x): return x + 1";
    wrong_answer_forged: "wrong_answer, malformed", r"
import os
def f(x):
    os.write(100, b'0=3\n')
    return x + 1";
    own_answer_said_twice: "pass, malformed", r"
import os
def f(x):
    if x == 1: os.write(100, b'0=2\n')
    return x + 1";
    last_answer_said_twice: "pass, malformed", r"
import os
def f(x):
    if x == 5: os.write(100, b'1=6\n')
    return x + 1";
    answers_out_of_order: "malformed", "import os\ndef f(x):\n    os.write(100, b'1=6\\n0=2\\n')\n    return x + 1";
    number_of_a_case_that_does_not_exist: "malformed", "import os\ndef f(x):\n    os.write(100, b'99999999999999999999=2\\n')\n    return x + 1";
    number_below_zero: "malformed", "import os\ndef f(x):\n    os.write(100, b'-1=2\\n')\n    return x + 1";
    number_with_a_leading_zero: "malformed", "import os\ndef f(x):\n    os.write(100, b'00=2\\n')\n    return x + 1";
    number_in_other_digits: "malformed", "import os\ndef f(x):\n    os.write(100, '\\u0660=2\\n'.encode())\n    return x + 1";
    line_ends_of_another_system: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=2\\r\\n')\n    return x + 1";
    null_bytes: "malformed", "import os\ndef f(x):\n    os.write(100, bytes(100))\n    return x + 1";
    empty_lines: "malformed", "import os\ndef f(x):\n    os.write(100, b'\\n' * 1000)\n    return x + 1";
    many_ends: "malformed", "import os\ndef f(x):\n    os.write(100, b'.\\n' * 1000)\n    return x + 1";
    byte_by_byte: "output_limit|timeout", "import os\ndef f(x):\n    while True: os.write(100, b'0')";
    end_in_two_halves: "malformed", "import os\ndef f(x):\n    while True:\n        os.write(100, b'.')\n        os.write(100, b'\\n')";
    /// It answers twice, and whoever hears the first answer may stop listening.
    right_answers_and_then_more: "pass, malformed", "import os\ndef f(x):\n    os.write(100, b'0=2\\n1=6\\n.\\nmore')\n    return x + 1";
    right_answers_through_a_copy: "pass, pass", "import os\ncopy = os.dup(100)\ndef f(x):\n    os.close(100)\n    os.write(copy, b'0=2\\n1=6\\n.\\n')\n    return x + 1";
    wrong_answers_through_a_copy: "wrong_answer, wrong_answer", "import os\ncopy = os.dup(100)\ndef f(x):\n    os.close(100)\n    os.write(copy, b'0=3\\n1=7\\n.\\n')\n    return x + 1";
    channel_kept_open_by_a_copy: "malformed|timeout", "import os\nos.dup(100)\ndef f(x):\n    os.close(100)\n    return x + 1";
    signals_from_the_channel: "forbidden, forbidden", "import fcntl, os\ndef f(x):\n    fcntl.fcntl(100, 8, os.getppid())\n    return x + 1";
    packets: "exception, exception", "import fcntl, os\nfcntl.fcntl(100, fcntl.F_SETFL, os.O_DIRECT)\ndef f(x): return x + 1";
    words_of_the_judge: "malformed", "import os\ndef f(x):\n    os.write(100, b'0!pass\\n')\n    return x + 1";
    done_too_early: "malformed", "import os\ndef f(x):\n    os.write(100, b'.\\n')\n    return x + 1";
    done_too_early_and_waiting: "malformed", "import os, time\ndef f(x):\n    os.write(100, b'.\\n')\n    time.sleep(9)";
    ready_twice: "malformed", "import os\ndef f(x):\n    os.write(100, b'R\\nL\\n')\n    return x + 1";
    loaded_twice: "malformed, malformed|not_run", "import os\nos.write(100, b'L\\n')\ndef f(x):\n    return x + 1";
    half_a_line_and_gone: "exited", "import os\ndef f(x):\n    os.write(100, b'0=')\n    os._exit(0)";
    half_a_line_and_on: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=')\n    return x + 1";
    whole_answers_and_gone: "exited|malformed|pass, exited|malformed", "import os\ndef f(x):\n    os.write(100, b'0=2\\n1=6\\n')\n    os._exit(0)";
    bytes_that_are_no_text: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=\\xff\\xfe\\n')\n    return x + 1";
    deep_answer: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=' + b'[' * 50000 + b'\\n')\n    return x + 1";
    sloppy_numbers: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=+2\\n')\n    return x + 1";
    spaces: "malformed", "import os\ndef f(x):\n    os.write(100, b'0= 2\\n')\n    return x + 1";
    json_for_answers: "malformed", "import os\ndef f(x):\n    os.write(100, b'0=true\\n')\n    return x + 1";
    flood_of_lines: "pass|output_limit|timeout, malformed|not_run", "import os\ndef f(x):\n    while True: os.write(100, b'0=2\\n' * 1000)";
    flood_without_lines: "output_limit", "import os\ndef f(x):\n    while True: os.write(100, b'0' * 60000)";
    flood_on_standard_output_is_dropped: "pass, pass", "def f(x):\n    print('x' * 150_000)\n    return x + 1";
    noise_on_standard_error_is_dropped: "pass, pass", "import sys\ndef f(x):\n    sys.stderr.write('0=2\\n.\\n' * 100)\n    return x + 1";
    frames_of_the_zygote: "malformed", "import os\ndef f(x):\n    os.write(100, b'OUT1A' + bytes(19))\n    return x + 1";
    frames_on_standard_output: "pass, pass", "import os\ndef f(x):\n    os.write(1, b'OUT1A' + bytes(19))\n    return x + 1";
    closing_the_channel: "malformed", "import os\ndef f(x):\n    os.closerange(0, 256)\n    return x + 1";
    closing_the_channel_and_waiting: "malformed", "import os, time\ndef f(x):\n    os.closerange(0, 256)\n    time.sleep(9)";
    closing_the_channel_at_import: "malformed, malformed", "import os\nos.closerange(0, 256)\ndef f(x): return x + 1";
    /// The channel has a number above the limit on descriptors, so nothing can be put in its place.
    redirecting_the_channel: "exception, exception", "import os\ndef f(x):\n    os.dup2(1, 100)\n    return x + 1";
    reading_the_channel: "wrong_answer, wrong_answer", "import os\ndef f(x):\n    os.read(100, 10)";
    channel_that_never_blocks("[[1]]", r#"[""]"#): "wrong_answer", r"
import os
def f(x):
    os.set_blocking(100, False)
    return 'x' * 900_000";
    growing_the_channel: "forbidden, forbidden", "import fcntl\ndef f(x):\n    fcntl.fcntl(100, 1031, 1 << 20)\n    return x + 1";
    channel_reopened_for_reading: "exception, exception", "import os\ndef f(x):\n    os.open('/proc/self/fd/100', os.O_RDONLY | os.O_NONBLOCK)\n    return x + 1";
    answers_taken_back: "timeout|exception|malformed, timeout|exception|not_run", r"
import os, time
def f(x):
    for _ in range(20000):
        os.write(100, b'x')
        try: os.read(100, 1)
        except BlockingIOError: pass
    time.sleep(60)";
    answers_taken_back_from_the_socket: "malformed|output_limit, malformed|not_run", r"
import socket
channel = socket.socket(fileno=100)
def f(x):
    for _ in range(1000):
        channel.send(b'x')
        channel.recv(10)
    return x + 1";
    end_mark_after_the_time: "pass, timeout", r"
import os, time
os.write(100, b'L\n0=2\n1=6\n')
def f(x): return x
end = time.process_time() + 0.26
while time.process_time() < end: pass
os.write(100, b'.\n')";
    sending_out_of_band: "forbidden, forbidden", "import socket\ndef f(x):\n    a, b = socket.socketpair()\n    a.send(b'x', socket.MSG_OOB)\n    return x + 1";
    sending_descriptors: "forbidden, forbidden", "import array, socket\ndef f(x):\n    a, b = socket.socketpair()\n    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))])\n    return x + 1";
    sending_to_an_address: "forbidden|exception, forbidden|exception", "import socket\ndef f(x):\n    a, b = socket.socketpair(type=socket.SOCK_DGRAM)\n    a.sendto(b'x', '/dev/log')\n    return x + 1";
    shutting_the_channel: "malformed", "import socket\nchannel = socket.socket(fileno=100)\ndef f(x):\n    channel.shutdown(socket.SHUT_RDWR)\n    return x + 1";
    asking_for_input: "exception, exception", "def f(x):\n    return input()";
    standard_input_is_empty: "pass, pass", "import sys\ndef f(x):\n    return len(sys.stdin.read()) + x + 1";
    job_stream_is_gone: "pass, pass", r"
import os
def f(x):
    found = 0
    for fd in range(256):
        if fd != 100:
            try: found += len(os.read(fd, 1000))
            except OSError: pass
    return found + x + 1";
    no_other_descriptor_is_open: "pass, pass", r"
import os
def is_open(fd):
    try: os.fstat(fd)
    except OSError: return False
    return True
def f(x): return x + 1 if [fd for fd in range(1024) if is_open(fd)] == [0, 1, 2, 100] else 0";
}
