#!/usr/bin/env python3
"""A client of rsynd in Python 3, standard library only, written from PROTOCOL.md.

    with Connection('db.example', ca_file='ca.pem') as connection:
        with connection.open('customers.ism') as customers:
            print(customers.get(b'C00042'))
            for record in customers.scan():
                ...

Records, keys and addresses are bytes. One thread at a time may use a connection; a connection that
is left alone for twice the server's heartbeat is closed by the server, unless ping() is called.
"""

import argparse
import collections
import socket
import ssl
import struct
import sys

PREAMBLE = b'RSYN\r\n\x1a\n'
PROTOCOL_VERSION = 1
SOFTWARE = 'rsynd.py 0.1.0'
DEFAULT_PORT = 2330
FRAME_BYTES_MAX = 2 * 1024 * 1024
STREAM_CREDIT_BYTES = 1024 * 1024
MESSAGE_DEPTH_MAX = 16

HELLO, LOGIN, PING = 0x01, 0x02, 0x03
OPEN, CREATE, CLOSE, ISINFO = 0x10, 0x11, 0x12, 0x13
READ, READS, FIND, GET, STORE, STORE_MANY = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25
WRITE, DELETE, UNLOCK = 0x26, 0x27, 0x28
SCAN, CREDIT, CANCEL = 0x30, 0x31, 0x32

HELLO_REPLY, LOGIN_REPLY, PING_REPLY, PONG_REPLY = 0x81, 0x82, 0x83, 0x84
OPEN_REPLY, DONE_REPLY, VALUE_REPLY = 0x90, 0x91, 0x92
RECORD_REPLY, ABSENT_REPLY, STORED_REPLY, STORED_MANY_REPLY = 0xA0, 0xA1, 0xA2, 0xA3
DATA_REPLY, END_REPLY, ERROR_REPLY = 0xB0, 0xB1, 0xFF

MODES = {'input': 0, 'update': 1, 'output': 2, 'append': 3}
SHARES = {'exclusive': 0, 'read': 1, 'all': 2}
CHANNEL_LOCKS = {'none': 0, 'auto': 1}
LOCKS = {'none': 0, 'auto': 1, 'manual': 2}
MATCHES = {'geq': 0, 'eq': 1, 'gtr': 2, 'gen': 4}
DIRECTIONS = {'forward': 1, 'reverse': 2}
BY_KEY, BY_FIRST, BY_LAST, BY_RFA = 0, 1, 2, 3
ORDER_OF_DATA = 255

ERR_EOF, ERR_FNF, ERR_RNF, ERR_CLNTERR = 1, 18, 64, 319
ERR_NETPROB, ERR_NOSERVER, ERR_BADHOST = 320, 321, 325
ERR_PROTOCOL, ERR_TIMEOUT = 9003, 9004

HEADER = struct.Struct('>IBBHI')
STORED = struct.Struct('>6sIB')


class RsyndError(Exception):
    """What went wrong: errno is stable, the message is for people."""

    def __init__(self, errno, message, retryable=False, file=None):
        super().__init__(message)
        self.errno = errno
        self.message = message
        self.retryable = retryable
        self.file = file


def violation(what):
    return RsyndError(ERR_PROTOCOL, f'Protocol violation: {what}')


# MessagePack, as much of it as the protocol uses.

def pack(value):
    """Bytes of nil, booleans, numbers, text, lists and dicts."""
    if value is None:
        return b'\xc0'
    if isinstance(value, bool):
        return b'\xc3' if value else b'\xc2'
    if isinstance(value, int):
        return pack_integer(value)
    if isinstance(value, float):
        return b'\xcb' + struct.pack('>d', value)
    if isinstance(value, str):
        data = value.encode('utf-8')
        return pack_count(len(data), 0xA0, 31, 0xD9) + data
    if isinstance(value, (list, tuple)):
        return pack_count(len(value), 0x90, 15, None, 0xDC) + b''.join(map(pack, value))
    if isinstance(value, dict):
        entries = (pack(str(key)) + pack(entry) for key, entry in value.items())
        return pack_count(len(value), 0x80, 15, None, 0xDE) + b''.join(entries)
    raise TypeError(f'{type(value).__name__} does not travel')


def pack_integer(value):
    if 0 <= value < 0x80:
        return bytes([value])
    if 0 <= value < 1 << 32:
        return b'\xce' + struct.pack('>I', value)
    if value >= 0:
        return b'\xcf' + struct.pack('>Q', value)
    return b'\xd3' + struct.pack('>q', value)


def pack_count(count, fixed, fixed_max, head8, head16=0xDA):
    if count <= fixed_max:
        return bytes([fixed | count])
    if head8 is not None and count <= 0xFF:
        return bytes([head8, count])
    if count <= 0xFFFF:
        return bytes([head16]) + struct.pack('>H', count)
    return bytes([head16 + 1]) + struct.pack('>I', count)


SCALARS = {
    0xCA: '>f', 0xCB: '>d', 0xCC: '>B', 0xCD: '>H', 0xCE: '>I', 0xCF: '>Q',
    0xD0: '>b', 0xD1: '>h', 0xD2: '>i', 0xD3: '>q',
}
COUNTS = {
    0xD9: ('text', '>B'), 0xDA: ('text', '>H'), 0xDB: ('text', '>I'),
    0xDC: ('array', '>H'), 0xDD: ('array', '>I'), 0xDE: ('map', '>H'), 0xDF: ('map', '>I'),
}
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class Unpacker:
    """Reads one MessagePack value; refuses what the protocol does not use."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def whole(self):
        value = self.value(0)
        if self.at != len(self.data):
            raise violation('bytes behind a MessagePack value')
        return value

    def take(self, count):
        if self.at + count > len(self.data):
            raise violation('a MessagePack value is cut')
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self, depth):
        if depth > MESSAGE_DEPTH_MAX:
            raise violation('a MessagePack value is nested too deep')
        head = self.take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head in CONSTANTS:
            return CONSTANTS[head]
        if head in SCALARS:
            return self.number(SCALARS[head])
        return self.counted(head, depth)

    def counted(self, head, depth):
        if head < 0x90:
            kind, count = 'map', head & 0x0F
        elif head < 0xA0:
            kind, count = 'array', head & 0x0F
        elif head < 0xC0:
            kind, count = 'text', head & 0x1F
        elif head in COUNTS:
            kind, form = COUNTS[head]
            count = self.number(form)
        else:
            raise violation(f'MessagePack type {head:#04x}')
        if kind == 'text':
            return self.text(count)
        if kind == 'array':
            return [self.value(depth + 1) for _ in range(count)]
        return {self.key(): self.value(depth + 1) for _ in range(count)}

    def key(self):
        key = self.value(MESSAGE_DEPTH_MAX)
        if not isinstance(key, str):
            raise violation('a map with a key that is no text')
        return key

    def text(self, count):
        try:
            return bytes(self.take(count)).decode('utf-8')
        except UnicodeDecodeError as error:
            raise violation('text that is no UTF-8') from error


def unpack_fields(body, count):
    """The fields of a MessagePack body, of which there must be `count`."""
    fields = Unpacker(body).whole()
    if not isinstance(fields, list) or len(fields) != count:
        raise violation(f'a reply without its {count} fields')
    return fields


def error_of(body):
    errno, message, retryable, file = unpack_fields(body, 4)
    return RsyndError(errno, message, retryable, file)


Record = collections.namedtuple('Record', 'data rfa crc locked')
Stored = collections.namedtuple('Stored', 'rfa crc locked')


def record_of(body):
    stored = stored_of(body[:STORED.size])
    return Record(bytes(body[STORED.size:]), *stored)


def stored_of(body):
    if len(body) != STORED.size:
        raise violation(f'an address of {len(body)} bytes')
    rfa, crc, locked = STORED.unpack(body)
    return Stored(rfa, crc, locked == 1)


class Connection:
    """One session on one server.

    Encrypted unless `plain` is True. `ca_file` is a PEM file with the authority of the server's
    certificate; without it those of this machine are trusted. `timeout`, in seconds, is for each
    wait.
    """

    def __init__(self, host, port=DEFAULT_PORT, *, plain=False, ca_file=None, server_name=None,
                 user=None, password=None, timeout=10.0):
        self.host = host
        self.heartbeat_ms = None
        self.user = None
        self.tls = None
        self._next_id = 0
        self._channels = set()
        self._replies = {}
        self._abandoned = set()
        context = None if plain else self._trust(ca_file)
        self._socket = self._dial(host, port, context, server_name or host, timeout)
        try:
            self._begin(user, password)
        except BaseException:
            self._socket.close()
            raise

    def _trust(self, ca_file):
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            what = f'Client server error, host: {self.host}: {ca_file}: {error}'
            raise RsyndError(ERR_CLNTERR, what) from error

    def _dial(self, host, port, context, server_name, timeout):
        try:
            plain = socket.create_connection((host, port), timeout)
        except socket.gaierror as error:
            raise RsyndError(ERR_BADHOST, f'Unknown host "{host}" in server spec') from error
        except OSError as error:
            raise RsyndError(ERR_NOSERVER,
                             f'Synergy server is not running on {host}: {error}', True) from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return plain
        try:
            encrypted = context.wrap_socket(plain, server_hostname=server_name)
        except OSError as error:
            plain.close()
            raise RsyndError(ERR_CLNTERR, f'Client server error, host: {host}: {error}') from error
        self.tls = encrypted.version(), encrypted.cipher()[0]
        return encrypted

    def _begin(self, user, password):
        self._write(PREAMBLE)
        body = self.call(HELLO, 0, pack([PROTOCOL_VERSION, SOFTWARE]), HELLO_REPLY)
        protocol, _software, self.heartbeat_ms = unpack_fields(body, 3)
        if protocol != PROTOCOL_VERSION:
            raise violation(f'the server speaks version {protocol}')
        body = self.call(LOGIN, 0, pack([user, password]), LOGIN_REPLY)
        (self.user,) = unpack_fields(body, 1)

    def open(self, name, mode='input', share='all', lock=None):
        """Opens a file and returns its Channel; locks are usual with mode update."""
        if lock is None:
            lock = 'auto' if mode == 'update' else 'none'
        number = next(each for each in range(1, 0x10000) if each not in self._channels)
        fields = [name, MODES[mode], SHARES[share], CHANNEL_LOCKS[lock], None]
        (spec,) = unpack_fields(self.call(OPEN, number, pack(fields), OPEN_REPLY), 1)
        self._channels.add(number)
        return Channel(self, number, name, spec)

    def ping(self):
        """Lets the server know that we are here, and waits to hear the same of it."""
        self.call(PING, 0, b'', PONG_REPLY)

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What follows is for Channel.

    def call(self, verb, channel, body, *expected):
        """Sends a request; returns the body of its reply, the verb too when several may answer."""
        request = self.submit(verb, channel, body)
        reply, body = self.wait(request)
        self.forget(request)
        if reply not in expected:
            raise violation(f'request {verb:#04x} answered by {reply:#04x}')
        return body if len(expected) == 1 else (reply, body)

    def submit(self, verb, channel, body):
        """Sends a request; returns its id, for wait() and forget()."""
        self._next_id = self._next_id % 0xFFFFFFFF + 1
        self._replies[self._next_id] = collections.deque()
        self.send(verb, channel, self._next_id, body)
        return self._next_id

    def send(self, verb, channel, request, body):
        self._write(HEADER.pack(8 + len(body), verb, 0, channel, request) + body)

    def wait(self, request):
        """The next reply to a request, as verb and body. Error replies are raised."""
        queue = self._replies[request]
        while not queue:
            self._take_frame()
        verb, body = queue.popleft()
        if verb == ERROR_REPLY:
            self.forget(request)
            raise error_of(body)
        return verb, body

    def forget(self, request):
        self._replies.pop(request, None)

    def abandon(self, channel, request):
        """Leaves a scan before its end: what still comes of it is dropped."""
        if self._replies.pop(request, None) is None:
            return
        self._abandoned.add(request)
        self.send(CANCEL, channel, request, b'')

    def free(self, channel):
        self._channels.discard(channel)

    def _take_frame(self):
        """Reads one frame and puts it where it is waited for."""
        length, verb, flags, _channel, request = HEADER.unpack(self._read(HEADER.size))
        if not 8 <= length <= FRAME_BYTES_MAX or flags != 0:
            raise violation('a frame with a bad length or flags')
        body = memoryview(self._read(length - 8))
        if verb == PING_REPLY:
            self.submit_ping()
        elif request in self._replies:
            self._replies[request].append((verb, body))
        elif request in self._abandoned:
            if verb != DATA_REPLY:
                self._abandoned.discard(request)
        elif request == 0 and verb == ERROR_REPLY:
            raise error_of(body)
        else:
            raise violation(f'a reply {verb:#04x} to nothing')

    def submit_ping(self):
        """A server's ping is answered with one of our own, whose pong is of no interest."""
        request = self.submit(PING, 0, b'')
        self.forget(request)
        self._abandoned.add(request)

    def _write(self, data):
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error) from error

    def _read(self, count):
        data = bytearray(count)
        view = memoryview(data)
        at = 0
        while at < count:
            try:
                got = self._socket.recv_into(view[at:])
            except OSError as error:
                raise self._lost(error) from error
            if got == 0:
                raise self._lost('the server closed the connection')
            at += got
        return data

    def _lost(self, why):
        if isinstance(why, socket.timeout):
            return RsyndError(ERR_TIMEOUT, f'Call did not finish in its time: {self.host}', True)
        return RsyndError(ERR_NETPROB,
                          f'Network problem reaching server {self.host}: {why}', True)


class Channel:
    """One open file. Keys are bytes as in the record, segments one after another."""

    def __init__(self, connection, number, name, spec):
        self._connection = connection
        self._number = number
        self.name = name
        self.spec = spec

    def _call(self, verb, body, *expected):
        return self._connection.call(verb, self._number, body, *expected)

    def get(self, value, key=0):
        """The record with exactly this key, as bytes, or None. Neither locks nor moves."""
        verb, body = self._call(GET, bytes([key]) + value, RECORD_REPLY, ABSENT_REPLY)
        return record_of(body).data if verb == RECORD_REPLY else None

    def read(self, value, key=0, match='eq', lock='none', wait_ms=0):
        """The Record at a key, which becomes the current one."""
        return self._read(bytes([BY_KEY, key, MATCHES[match]]) + value, lock, wait_ms)

    def first(self, key=0, lock='none', wait_ms=0):
        return self._read(bytes([BY_FIRST, key]), lock, wait_ms)

    def last(self, key=0, lock='none', wait_ms=0):
        return self._read(bytes([BY_LAST, key]), lock, wait_ms)

    def at(self, address, lock='none', wait_ms=0):
        """The Record at an RFA (6 bytes) or GRFA (10 bytes)."""
        return self._read(bytes([BY_RFA]) + address, lock, wait_ms)

    def _read(self, target, lock, wait_ms):
        body = struct.pack('>BI', LOCKS[lock], wait_ms) + target
        return record_of(self._call(READ, body, RECORD_REPLY))

    def reads(self, direction='forward', lock='none', wait_ms=0):
        """The next Record along the key of reference, or None at an end."""
        body = struct.pack('>BBI', DIRECTIONS[direction], LOCKS[lock], wait_ms)
        verb, body = self._call(READS, body, RECORD_REPLY, ABSENT_REPLY)
        return record_of(body) if verb == RECORD_REPLY else None

    def store(self, record):
        """Stores a new record; returns its address as Stored."""
        return stored_of(self._call(STORE, b'\0' + record, STORED_REPLY))

    def write(self, record, address=b''):
        """Replaces the current, locked record, or the one at an RFA or GRFA."""
        body = bytes([len(address)]) + address + record
        return stored_of(self._call(WRITE, body, STORED_REPLY))

    def delete(self):
        self._call(DELETE, b'', DONE_REPLY)

    def unlock(self, rfa=b''):
        self._call(UNLOCK, rfa, DONE_REPLY)

    def isinfo(self, request, key=0, segment=None):
        body = self._call(ISINFO, pack([request, key, segment]), VALUE_REPLY)
        (value,) = unpack_fields(body, 1)
        is_whole = isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value

    def scan(self, key=0, direction='forward', credit=STREAM_CREDIT_BYTES):
        """All records as bytes, by a key or (key None) in the order of the data.

        A generator: the server never has more under way than `credit` bytes and one frame. Leaving
        it early cancels the scan.
        """
        order = ORDER_OF_DATA if key is None else key
        connection = self._connection
        body = struct.pack('>BBI', order, DIRECTIONS[direction], credit)
        request = connection.submit(SCAN, self._number, body)
        taken = 0
        try:
            while True:
                verb, body = connection.wait(request)
                if verb == END_REPLY:
                    connection.forget(request)
                    return
                if verb != DATA_REPLY:
                    raise violation(f'a scan answered by {verb:#04x}')
                yield from slice_records(body)
                taken += len(body) - 4
                if taken >= credit // 2:
                    connection.send(CREDIT, self._number, request, struct.pack('>I', taken))
                    taken = 0
        finally:
            connection.abandon(self._number, request)

    def close(self):
        self._call(CLOSE, b'', DONE_REPLY)
        self._connection.free(self._number)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # After an error the connection may be of no use any more; its end closes the file too.
        if kind is None:
            self.close()


def slice_records(body):
    """The records of a data frame."""
    length = count_at(body, 0)
    at = 4
    while at < len(body):
        size = length
        if length == 0:
            size = count_at(body, at)
            at += 4
        if at + size > len(body):
            raise violation('a data frame ends within a record')
        yield bytes(body[at:at + size])
        at += size


def count_at(body, at):
    if at + 4 > len(body):
        raise violation('a data frame ends within a length')
    return int.from_bytes(body[at:at + 4], 'big')


# The program: shows a record and counts the others.

def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        prog='rsynd.py', description='Opens a file of an rsynd server, reads by key and counts.')
    parser.add_argument('file', metavar='FILE@HOST[:PORT]')
    parser.add_argument('--ca', metavar='FILE', help='PEM file with the authority to trust')
    parser.add_argument('--servername', metavar='NAME', help='name the certificate must hold')
    parser.add_argument('--plain', action='store_true', help='no encryption')
    parser.add_argument('--user', help='user to log in as')
    parser.add_argument('--password-file', metavar='FILE', help='its first line is the password')
    parser.add_argument('--key', metavar='VALUE', help='key value to read (latin1)')
    parser.add_argument('--key-number', metavar='N', type=int, default=0,
                        help='key to read and scan by')
    parser.add_argument('--match', choices=MATCHES, default='eq', help='how to match the key value')
    parser.add_argument('--scan', action='store_true', help='count the records and their bytes')
    parser.add_argument('--timeout', metavar='SECONDS', type=float, default=10.0)
    return parser.parse_args(arguments)


def split_filespec(filespec):
    """name@host[:port], where an IPv6 host stands in brackets."""
    name, at, server = filespec.rpartition('@')
    if at == '':
        raise SystemExit('rsynd.py: FILE@HOST[:PORT] is expected')
    host, colon, port = server.rpartition(':')
    if colon == '' or port.endswith(']'):
        host, port = server, str(DEFAULT_PORT)
    return name, host.strip('[]'), int(port)


def read_password(path):
    if path is None:
        return None
    with open(path, encoding='utf-8') as file:
        return file.readline().rstrip('\r\n')


def run(options):
    name, host, port = split_filespec(options.file)
    with Connection(host, port, plain=options.plain, ca_file=options.ca,
                    server_name=options.servername, user=options.user,
                    password=read_password(options.password_file),
                    timeout=options.timeout) as connection:
        with connection.open(name) as channel:
            print(f'opened {name}: records of {channel.spec["record"]["size"]} bytes, '
                  f'{len(channel.spec["keys"])} keys, user {connection.user}, '
                  f'{" ".join(connection.tls) if connection.tls else "not encrypted"}')
            if options.key is not None:
                value = options.key.encode('latin1')
                record = channel.read(value, options.key_number, options.match)
                print(f'record {record.data.decode("latin1")}')
            if options.scan:
                records = total = 0
                for record in channel.scan(options.key_number):
                    records += 1
                    total += len(record)
                print(f'scanned {records} records, {total} bytes')


EXIT_CODES = {ERR_FNF: 3, ERR_RNF: 3, ERR_EOF: 3, ERR_CLNTERR: 6, ERR_TIMEOUT: 7}


def main(arguments):
    try:
        run(parse_arguments(arguments))
    except RsyndError as error:
        print(f'rsynd.py: {error.message} ({error.errno})', file=sys.stderr)
        return EXIT_CODES.get(error.errno, 1)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
