# entry: digest
# case: ["abc"] -> {"md5": "900150983cd24fb0d6963f7d28e17f72", "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "base64": "YWJj", "crc": 891568578, "uuid": "6cb8e707-0fc5-5f55-88d4-d4fed43e64a8", "packed": "0300616263", "zipped": "abc", "hmac": "sha256"}
# word: pass
import array
import base64
import binascii
import bz2
import gzip
import hashlib
import hmac
import lzma
import struct
import uuid
import zlib


def digest(text):
    data = text.encode()
    numbers = array.array("B", data)
    assert sum(numbers) == sum(memoryview(data)) and hashlib.new("sha1", data).hexdigest()
    for module in (gzip, bz2, lzma, zlib):
        assert module.decompress(module.compress(data)) == data
    assert hashlib.blake2b(data).digest_size == 64 and hashlib.sha3_256(data).hexdigest()
    assert hashlib.pbkdf2_hmac("sha256", data, b"salt", 10)
    return {
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "base64": base64.b64encode(data).decode(),
        "crc": binascii.crc32(data),
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, text)),
        "packed": struct.pack("<H%ds" % len(data), len(data), data).hex(),
        "zipped": gzip.decompress(gzip.compress(data)).decode(),
        "hmac": hmac.new(b"key", data, "sha256").name.replace("hmac-", ""),
    }
