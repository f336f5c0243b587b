#!/usr/bin/env python3
"""A second implementation of the portmesh protocol, written from src/protocol/PROTOCOL.md alone, to check that page.

    portmesh.py fetch HOST:PORT NAME [-o FILE]     one published file of a node
    portmesh.py pieces HOST:PORT NAME...           contents in pieces, each of them checked against its tree: their SHA-256
    portmesh.py have HOST:PORT NAME                what a node says of that content, a line a message, until it has it no more
    portmesh.py row HOST:PORT                      what a node says of itself, as JSON
    portmesh.py news HOST:PORT KIND PORT           tell a node "changed" or "leaving", as if listening on that port
    portmesh.py serve PORT FILE...                 be a node with these files: it answers, asks nobody, knows no limits
    portmesh.py check VECTORS.json                 compute the published values of a handshake again

Python 3.9 or newer and nothing else. Slow, not constant-time: for tests only.
"""
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import math
import os
import re
import secrets
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True  # nothing is to lie about in the repository after a test
from primitives import (MODP15, SMALL_PRIMES, gcm_open, gcm_seal, is_prime, jacobi, public_key,  # noqa: E402
                        random_prime, sign, verify)

V, GROUP = 'portmesh/1', 'modp15'
MAX_INTEGER, MAX_N = 2**53 - 1, 2**32 - 1
LOG2, FILE_LOG2 = 16, 20


class Refused(Exception):
    """What does not fit; a responder answers with status and code."""
    def __init__(self, code, status=400):
        super().__init__(code)
        self.code, self.status = code, status


def demand(condition, code, status=400):
    if not condition:
        raise Refused(code, status)


# --- Notation ----------------------------------------------------------------------------------------------------


def integer(number):
    return number.to_bytes(384, 'big')


def integer4(number):
    return number.to_bytes(4, 'big')


def number(data):
    return int.from_bytes(data, 'big')


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64u(text, size=None):
    data = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    if b64u(data) != text or size not in (None, len(data)):
        raise ValueError('not base64url, or of another length')
    return data


def lp(*fields):
    fields = [f.encode() if isinstance(f, str) else f for f in fields]
    return b''.join(len(f).to_bytes(4, 'big') + f for f in fields)


def H(label, *fields):
    return hashlib.sha256(lp(f'{V} {label}', *fields)).digest()


def M(key, label, *fields):
    return hmac.digest(key, lp(f'{V} {label}', *fields), 'sha256')


def X(key, label, *fields, size=32):
    info, block, out = lp(f'{V} {label}', *fields), b'', b''
    while len(out) < size:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), 'sha256')
        out += block
    return out[:size]


def E(salt, ikm):
    return hmac.digest(salt, ikm, 'sha256')


def S(seed, label, *fields):
    return sign(seed, lp(f'{V} {label}', *fields))


def signed(public, signature, label, *fields):
    return verify(public, lp(f'{V} {label}', *fields), signature)


# --- Identity ----------------------------------------------------------------------------------------------------

FIELD = 2**255 - 19
WEAK = {0, 1, FIELD - 1} | {int.from_bytes(bytes.fromhex(h), 'little') for h in (
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a')}


def is_good_id(public):
    y = int.from_bytes(public, 'little') % 2**255
    return y < FIELD and y not in WEAK


def is_good_modulus(N):
    """Without the test that it is not prime, which may come later."""
    small = math.gcd(N, math.prod(SMALL_PRIMES))
    return N.bit_length() == 3072 and N % 4 == 1 and small == 1 and math.isqrt(N)**2 != N


def is_good_public_value(Y):
    return 2 <= Y <= MODP15 - 2 and jacobi(Y, MODP15) == 1


class Identity:
    def __init__(self):
        self.seed = secrets.token_bytes(32)
        self.id = public_key(self.seed)
        self.N = random_prime(1536) * random_prime(1536)


# --- Handshake ---------------------------------------------------------------------------------------------------

GETKEY = {'v': None, 'group': None, 'dh': 384, 'kid': 16, 'id': 32, 'bbs': 384, 'sig': 64}
SESSION = {'v': None, 'group': None, 'kid': 16, 'x': 384, 'c': 32}
SESSION_ANSWER = {'sid': 16, 'nB': 32, 'sig': 64, 'mac': 32}
CONFIRM = {'nA': 32, 'id': 32, 'bbs': 384, 'sig': 64, 'mac': 32}
CONFIRM_ANSWER = {'fin': 32}


def read_form(form, body):
    """The fields as bytes, `v` and `group` as text."""
    try:
        message = json.loads(body)
        hello = [message[k] for k in ('v', 'group') if k in form]
        demand(hello in ([], [V, GROUP]) or not all(isinstance(text, str) for text in hello), 'PM_UNSUPPORTED_VERSION')
        demand(message.keys() == form.keys(), 'PM_BAD_HANDSHAKE')
        return {k: message[k] if size is None else unb64u(message[k], size) for k, size in form.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused('PM_BAD_HANDSHAKE') from None


def write_form(fields):
    return json.dumps({k: b64u(f) if isinstance(f, bytes) else f for k, f in fields.items()}, separators=(',', ':'))


def exponent():
    return secrets.randbits(384) | 1 << 383


def keys_of(main, way, N):
    """The keys of one direction, with everything on the way to them."""
    k, ctr = {}, 0
    while True:
        k['seed_okm'] = X(main, 'bbs seed', way, str(ctr), size=400)
        s = number(k['seed_okm']) % N
        if 1 < s < N - 1 and math.gcd(s, N) == 1:
            break
        ctr += 1
    x = x0 = s * s % N
    bits = 0
    for _ in range(256):
        x = x * x % N
        bits = bits << 1 | x & 1
    k.update(ctr=str(ctr), s=integer(s), x0=integer(x0), K_bbs=bits.to_bytes(32, 'big'), hedge=X(main, 'hedge', way))
    k['K_dir'] = bytes(a ^ b for a, b in zip(k['K_bbs'], k['hedge']))
    k.update(K_enc=X(k['K_dir'], 'enc'), K_auth=X(k['K_dir'], 'auth'))
    return k


class Handshake:
    """The values of one run, under the names of the document."""
    def __init__(self, Z, x, c, y, nB, sid, id_B, N_B, psk=bytes(32)):
        self.sid, self.N_B = sid, number(N_B)
        self.prk0 = E(H('extract', GROUP), Z + psk)
        self.th1 = H('th1', GROUP, '', x, c, y, nB, sid)
        self.th2 = H('th2', self.th1, id_B, N_B)
        self.keyR, self.keyI = X(self.prk0, 'key R', self.th1), X(self.prk0, 'key I', self.th1)

    def responder(self, sigB):
        self.sigB, self.macB = sigB, M(self.keyR, 'mac R', self.th2, sigB)

    def initiator(self, nA, id_A, N_A):
        self.N_A, self.th3 = number(N_A), H('th3', self.th2, self.sigB, self.macB, nA, id_A, N_A)

    def initiator_signed(self, sigA):
        self.sigA, self.macA = sigA, M(self.keyI, 'mac I', self.th3, sigA)

    def finish(self):
        self.th4 = H('th4', self.th3, self.sigA, self.macA)
        self.main = E(self.th4, X(self.prk0, 'main'))
        self.i2r, self.r2i = keys_of(self.main, 'i2r', self.N_A), keys_of(self.main, 'r2i', self.N_B)
        self.fin = M(self.r2i['K_auth'], 'fin', self.th4, M(self.i2r['K_auth'], 'fin', self.th4))


# --- Sessions and streams ----------------------------------------------------------------------------------------

CONTENT = re.compile(r'/content/([0-9a-f]{64})(?:(/tree|/have)|\?pieces=(\d+)(?:-(\d+))?(?:&want=[^&]*)?)', re.ASCII)
AUTH = re.compile(r'v=1; sid=([\w-]{22}); n=([1-9]\d{0,9}); mac=([\w-]{43})', re.ASCII)


class Session:
    """An open session; `highest` and `used` are the responder's."""
    def __init__(self, handshake, peer):
        self.sid, self.i2r, self.r2i, self.peer = handshake.sid, handshake.i2r, handshake.r2i, peer
        self.highest, self.used = 0, set()
        self.started = self.last = time.monotonic()

    def mac(self, n, method, target):
        return M(self.i2r['K_auth'], 'req', self.sid, str(n), method, target)

    def auth(self, n, method, target):
        return f'v=1; sid={b64u(self.sid)}; n={n}; mac={b64u(self.mac(n, method, target))}'

    def take(self, n):
        """Whether n may still be used; from now on it is used."""
        if n <= self.highest - 1024 or n in self.used:
            return False
        self.highest = max(self.highest, n)
        self.used = {m for m in self.used | {n} if m > self.highest - 1024}
        return True

    def stream_key(self, salt, log2, n, method, target, status=None):
        if status is None:
            return X(E(salt, self.i2r['K_enc']), 'stream req', self.sid, str(n), method, target, str(log2))
        return X(E(salt, self.r2i['K_enc']), 'stream resp', self.sid, str(n), method, target, str(status), str(log2))

    def seal(self, plaintext, log2, *request, salt=None):
        salt, size = salt or secrets.token_bytes(16), 1 << log2
        key, frames = self.stream_key(salt, log2, *request), max(1, -(-len(plaintext) // size))
        body = [gcm_seal(key, i.to_bytes(11, 'big') + bytes([i == frames - 1]), plaintext[i * size:(i + 1) * size])
                for i in range(frames)]
        return salt + bytes([log2]) + b''.join(body)

    def open(self, body, log2, *request):
        """The plaintext, or ValueError."""
        size = (1 << log2) + 16
        frames = [body[i:i + size] for i in range(17, len(body), size)]
        if not frames or body[16] != log2 or (len(frames) > 1 and len(frames[-1]) <= 16):
            raise ValueError('no stream')
        key = self.stream_key(body[:16], log2, *request)
        return b''.join(gcm_open(key, i.to_bytes(11, 'big') + bytes([i == len(frames) - 1]), frame)
                        for i, frame in enumerate(frames))

    def seal_pieces(self, first, count, content, log2, *request):
        salt, size = secrets.token_bytes(16), 1 << log2
        frames = [integer4(first) + integer4(count), *(content[i:i + size] for i in range(0, len(content), size))]
        key = self.stream_key(salt, log2, *request)
        body = [gcm_seal(key, i.to_bytes(11, 'big') + bytes([i == len(frames) - 1]), frame)
                for i, frame in enumerate(frames)]
        return salt + bytes([log2]) + b''.join(body)

    def seal_live(self, messages, *request):
        """The bytes of a live stream, as its messages come."""
        salt = secrets.token_bytes(16)
        key, count = self.stream_key(salt, 0, *request), 0
        yield salt + bytes([0])
        for message in messages:
            frame = gcm_seal(key, count.to_bytes(11, 'big') + bytes([0]), message)
            yield integer4(len(frame)) + frame
            count += 1
        frame = gcm_seal(key, count.to_bytes(11, 'big') + bytes([1]), b'')
        yield integer4(len(frame)) + frame

    def open_pieces(self, body, log2, *request):
        """Index of the first piece, number of pieces and their bytes, or ValueError."""
        size = (1 << log2) + 16
        frames = [body[17:41], *(body[i:i + size] for i in range(41, len(body), size))]
        if len(frames) < 2 or body[16] != log2 or len(frames[-1]) <= 16:
            raise ValueError('no stream with a head')
        key = self.stream_key(body[:16], log2, *request)
        head, *parts = [gcm_open(key, i.to_bytes(11, 'big') + bytes([i == len(frames) - 1]), frame)
                        for i, frame in enumerate(frames)]
        return number(head[:4]), number(head[4:]), b''.join(parts)

    def open_live(self, read, _log2, *request):
        """The messages of a live stream; `read` gives so many bytes, or fewer at its end."""
        header = read(17)
        if header[16:] != bytes([0]):
            raise ValueError('no live stream')
        key, count = self.stream_key(header[:16], 0, *request), 0
        while True:
            size = number(read(4))
            frame = read(size)
            if not 16 <= size <= 65552 or len(frame) < size:
                raise ValueError('a live stream that broke off')
            message = gcm_open(key, count.to_bytes(11, 'big') + bytes([size == 16]), frame)
            if not message:
                return
            yield message
            count += 1


# --- Rows --------------------------------------------------------------------------------------------------------


def is_good_name(name):
    parts = name.encode().split(b'/')
    return len(name.encode()) <= 1000 and all(1 <= len(p) <= 255 and p[:1] != b'.' for p in parts)


def root_of(content):
    nodes = [hashlib.sha256(content[i:i + 16384]).digest() for i in range(0, len(content), 16384) or [0]]
    nodes += [bytes(32)] * ((1 << (len(nodes) - 1).bit_length()) - len(nodes))
    while len(nodes) > 1:
        nodes = [hashlib.sha256(a + b).digest() for a, b in zip(nodes[::2], nodes[1::2])]
    return nodes[0].hex()


def digest_of(files):
    buckets = [[] for _ in range(256)]
    for name in sorted(files, key=str.encode):
        f = files[name]
        fields = name, str(f['size']), bytes.fromhex(f['hash']), bytes.fromhex(f['root']), str(f['published'])
        buckets[hashlib.sha256(name.encode()).digest()[0]] += fields
    return H('row files', *(H('row bucket', *fields) for fields in buckets)).hex()


def read_head(page, owner):
    raw, sig = unb64u(page['head']), unb64u(page['sig'], 64)
    demand(signed(owner, sig, 'row', raw), 'the signature of the row is wrong')
    head = json.loads(raw)
    demand(head.keys() == {'v', 'id', 'epoch', 'version', 'name', 'count', 'size', 'files'}, 'a head of another form')
    demand(head['v'] == V and unb64u(head['id'], 32) == owner, 'the head of another node')
    demand(all(type(head[k]) is int and 0 <= head[k] <= MAX_INTEGER for k in ('epoch', 'version', 'count', 'size'))
           and head['count'] <= 100_000 and 1 <= len(head['name'].encode()) <= 64, 'a head out of range')
    return head


def read_file(f):
    hashes = all(re.fullmatch('[0-9a-f]{64}', f[k]) for k in ('hash', 'root'))
    numbers = all(type(f[k]) is int and 0 <= f[k] <= MAX_INTEGER for k in ('size', 'published'))
    demand(hashes and numbers and is_good_name(f['name']) and len(f) == 5, 'a bad file in a row')
    return f


def pull(peer):
    """The whole row of a node: head and files by name. Asked for a second time when the first does not add up."""
    for _ in range(2):
        head, files, epoch, since = {'epoch': 0, 'version': 0}, {}, 0, 0
        while True:
            page = json.loads(peer.ask('GET', f'/table?epoch={epoch}&since={since}'))
            newer = read_head(page, peer.session.peer)
            order = [(h['epoch'], h['version']) for h in (newer, head)]
            demand(order[0] >= order[1], 'the row goes back')
            head = newer if order[0] > order[1] else head
            files = {} if page['whole'] else files
            for name in page['gone']:
                files.pop(name, None)
            files.update((f['name'], read_file(f)) for f in page['files'])
            epoch, since = head['epoch'], page['upTo']
            if since == head['version']:
                break
            demand(page['files'] or page['gone'], 'a page that brings nothing')
        found = len(files), sum(f['size'] for f in files.values()), digest_of(files)
        if found == (head['count'], head['size'], head['files']):
            return head, files
    raise Refused('the row does not fit its head')


# --- Initiator ---------------------------------------------------------------------------------------------------


class Peer:
    """A node to ask."""
    def __init__(self, where, me):
        host, _, port = where.rpartition(':')
        self.me, self.session, self.n = me, None, 0
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def http(self, method, target, body=None, headers=None, live=False):
        self.connection.request(method, target, body, headers or {})
        answer = self.connection.getresponse()
        demand(answer.getheader('Content-Encoding') is None, 'an encoded answer')
        return answer.status, answer.headers, answer.read if live and answer.status == 200 else answer.read()

    def plain(self, method, target, body=None):
        status, _, answer = self.http(method, target, body, {'Content-Type': 'application/json'} if body else None)
        if status != 200:
            raise Refused(code_of(answer), status)
        return answer

    def shake_hands(self):
        key = read_form(GETKEY, self.plain('GET', '/getkey'))
        y, N_B, id_B = number(key['dh']), number(key['bbs']), key['id']
        demand(is_good_id(id_B) and id_B != self.me.id, 'a bad id')
        demand(key['kid'] == H('kid', key['dh'])[:16], 'a bad kid')
        demand(is_good_public_value(y), 'a bad public value')
        demand(is_good_modulus(N_B) and not is_prime(N_B, 2), 'a bad modulus')
        demand(signed(id_B, key['sig'], 'getkey', GROUP, key['dh'], id_B, key['bbs']), 'a bad signature of the key')
        a, nA, N_A = exponent(), secrets.token_bytes(32), integer(self.me.N)
        x, c = integer(pow(2, a, MODP15)), H('commit', nA, self.me.id, N_A)
        first = write_form({'v': V, 'group': GROUP, 'kid': key['kid'], 'x': x, 'c': c})
        b = read_form(SESSION_ANSWER, self.plain('POST', '/session', first))
        h = Handshake(integer(pow(y, a, MODP15)), x, c, key['dh'], b['nB'], b['sid'], id_B, key['bbs'])
        demand(signed(id_B, b['sig'], 'sig R', h.th2), "a bad signature of the responder's")
        h.responder(b['sig'])
        demand(hmac.compare_digest(b['mac'], h.macB), "a bad mac of the responder's")
        h.initiator(nA, self.me.id, N_A)
        h.initiator_signed(S(self.me.seed, 'sig I', h.th3))
        h.finish()
        confirm = write_form({'nA': nA, 'id': self.me.id, 'bbs': N_A, 'sig': h.sigA, 'mac': h.macA})
        last = read_form(CONFIRM_ANSWER, self.plain('POST', f'/session/{b64u(b["sid"])}', confirm))
        demand(hmac.compare_digest(last['fin'], h.fin), 'a bad fin')
        self.session, self.n = Session(h, id_B), 0

    def open(self):
        try:
            self.shake_hands()
        except Refused as refused:
            if refused.code != 'PM_STALE_KEY':
                raise
            self.shake_hands()

    def ask(self, method, target, plaintext=None, log2=LOG2, opened=Session.open):
        """The plaintext of the sealed 200, as `opened` has it; everything else is an exception."""
        for attempt in (1, 2):
            if not self.session:
                self.open()
            self.n += 1
            request = self.n, method, target
            headers = {'Portmesh-Auth': self.session.auth(*request)}
            if plaintext is not None:
                headers['Content-Type'] = 'application/octet-stream'
            body = None if plaintext is None else self.session.seal(plaintext, LOG2, *request)
            status, answered, answer = self.http(method, target, body, headers, log2 == 0)
            if answered.get('Portmesh-Sealed') == 'v=1':
                if status == 200:
                    return opened(self.session, answer, log2, *request, status)
                raise Refused(code_of(self.session.open(answer, LOG2, *request, status)), status)
            if status != 401 or code_of(answer) != 'PM_NO_SESSION' or attempt == 2:
                raise Refused(code_of(answer), status)
            self.session = None


def code_of(answer):
    try:
        return str(json.loads(answer)['error']['code'])
    except (ValueError, TypeError, KeyError):
        return 'an answer without a code'


def fetch(peer, name):
    _, files = pull(peer)
    demand(name in files, 'PM_NOT_PUBLISHED', 404)
    content = peer.ask('GET', '/myfiles/' + urllib.parse.quote(name, safe=''), log2=FILE_LOG2)
    demand(hashlib.sha256(content).hexdigest() == files[name]['hash'], 'another content than the row says')
    return content


# --- Contents and pieces -----------------------------------------------------------------------------------------


def piece_size_of(size):
    return max(128 * 1024, 1 << (-(-size // 16384) - 1).bit_length() if size else 0)


def zero_node(height):
    node = bytes(32)
    for _ in range(height):
        node = hashlib.sha256(node + node).digest()
    return node


def join_nodes(nodes, height):
    """The root over nodes of one height, missing ones being the tree of zero hashes."""
    nodes = nodes + [zero_node(height)] * ((1 << (len(nodes) - 1).bit_length()) - len(nodes))
    while len(nodes) > 1:
        nodes = [hashlib.sha256(a + b).digest() for a, b in zip(nodes[::2], nodes[1::2])]
    return nodes[0]


def piece_node(piece, height):
    """The node over one piece; a short one is padded to the height of the others."""
    leaves = [hashlib.sha256(piece[i:i + 16384]).digest() for i in range(0, len(piece), 16384)]
    return join_nodes(leaves + [bytes(32)] * ((1 << height) - len(leaves)), 0)


def tree_of(peer, root, size):
    """The node of each piece, proved by the root."""
    count, height = -(-size // piece_size_of(size)), (piece_size_of(size) // 16384).bit_length() - 1
    layer = peer.ask('GET', f'/content/{root}/tree')
    demand(len(layer) == 32 * count, 'a tree of another length')
    nodes = [layer[i:i + 32] for i in range(0, len(layer), 32)]
    if count > 1:
        demand(join_nodes(nodes, height).hex() == root, 'a tree of another root')
    return nodes, height


def pieces(peer, name, run=9):
    """The whole content, in runs that the holder chooses among all that is missing."""
    file = pull(peer)[1][name]
    root, size = file['root'], file['size']
    step, (nodes, height) = piece_size_of(size), tree_of(peer, root, size)
    have = {}
    while len(have) < len(nodes):
        missing = [i for i in range(len(nodes)) if i not in have]
        a = missing[0]
        welcome = [i for i in missing if i < a + 4096]
        want = bytearray((welcome[-1] - a) // 8 + 1)
        for i in welcome:
            want[(i - a) // 8] |= 128 >> (i - a) % 8
        asked = f'/content/{root}?pieces={a}-{a + run - 1}&want={a}:{b64u(bytes(want))}'
        first, count, content = peer.ask('GET', asked, log2=FILE_LOG2, opened=Session.open_pieces)
        got = list(range(first, first + count))
        proposed = first == a and 1 <= count <= run
        demand(proposed or set(got) <= set(welcome) and len(got) <= run, 'pieces that nobody asked for')
        demand(len(content) == min(size, (first + count) * step) - first * step, 'pieces of another length')
        for i in got:
            piece = content[(i - first) * step:(i - first + 1) * step]
            # A content of one piece is proved by its root, which has only as many blocks as it needs.
            node = piece_node(piece, height) if len(nodes) > 1 else bytes.fromhex(root_of(piece))
            demand(node == (nodes[i] if len(nodes) > 1 else bytes.fromhex(root)), 'a wrong piece')
            have[i] = piece
    content = b''.join(have[i] for i in range(len(nodes)))
    demand(hashlib.sha256(content).hexdigest() == file['hash'], 'another content than the row says')
    return content


def have(peer, name):
    root = pull(peer)[1][name]['root']
    yield from peer.ask('GET', f'/content/{root}/have', log2=0, opened=Session.open_live)


# --- Responder ---------------------------------------------------------------------------------------------------


class Node(Identity):
    """Everything a node answers with."""
    def __init__(self, paths):
        super().__init__()
        self.lock, self.keys, self.half_open, self.sessions = threading.Lock(), [], {}, {}
        self.paths, self.epoch = {os.path.basename(p): p for p in paths}, int(time.time())
        self.files = {}
        for name, path in self.paths.items():
            with open(path, 'rb') as file:
                content = file.read()
            self.files[name] = {'name': name, 'size': len(content), 'hash': hashlib.sha256(content).hexdigest(),
                                'root': root_of(content), 'published': int(time.time() * 1000)}
        self.version, self.digest = len(self.files), digest_of(self.files)  # file i came with version i, from 1
        self.head = json.dumps({
            'v': V, 'id': b64u(self.id), 'epoch': self.epoch, 'version': self.version, 'name': 'python',
            'count': len(self.files), 'size': sum(f['size'] for f in self.files.values()), 'files': self.digest,
        }).encode()
        self.sig = S(self.seed, 'row', self.head)

    def alive(self):
        return {'Portmesh-Id': b64u(self.id), 'Portmesh-Epoch': str(self.epoch), 'Cache-Control': 'no-store',
                'Content-Type': 'text/plain; charset=utf-8',
                'Portmesh-Table': f'{self.version};{b64u(hashlib.sha256(self.head).digest()[:16])}'}

    def getkey(self):
        now = time.monotonic()
        with self.lock:
            self.keys = [k for k in self.keys if now - k['born'] < 120]
            if not self.keys or now - self.keys[-1]['born'] >= 60:
                b = exponent()
                y = integer(pow(2, b, MODP15))
                sig = S(self.seed, 'getkey', GROUP, y, self.id, integer(self.N))
                self.keys.append({'born': now, 'b': b, 'y': y, 'kid': H('kid', y)[:16], 'sig': sig})
            k = self.keys[-1]
        return write_form({'v': V, 'group': GROUP, 'dh': k['y'], 'kid': k['kid'], 'id': self.id,
                           'bbs': integer(self.N), 'sig': k['sig']})

    def session(self, body):
        first = read_form(SESSION, body)
        now = time.monotonic()
        key = next((k for k in self.keys if k['kid'] == first['kid'] and now - k['born'] < 120), None)
        demand(key, 'PM_STALE_KEY', 409)
        demand(is_good_public_value(number(first['x'])), 'PM_BAD_HANDSHAKE')
        nB, sid = secrets.token_bytes(32), secrets.token_bytes(16)
        Z = integer(pow(number(first['x']), key['b'], MODP15))
        h = Handshake(Z, first['x'], first['c'], key['y'], nB, sid, self.id, integer(self.N))
        h.responder(S(self.seed, 'sig R', h.th2))
        self.half_open[sid] = now, h, first['c']
        return write_form({'sid': sid, 'nB': nB, 'sig': h.sigB, 'mac': h.macB})

    def confirm(self, sid, body):
        try:
            born, h, c = self.half_open.pop(unb64u(sid, 16), (-math.inf, None, None))
        except ValueError:
            raise Refused('PM_BAD_HANDSHAKE') from None
        a = read_form(CONFIRM, body)
        fits = (time.monotonic() - born <= 10 and is_good_id(a['id']) and a['id'] != self.id
                and c == H('commit', a['nA'], a['id'], a['bbs']) and is_good_modulus(number(a['bbs'])))
        demand(fits, 'PM_REFUSED', 403)
        h.initiator(a['nA'], a['id'], a['bbs'])
        h.initiator_signed(a['sig'])
        demand(signed(a['id'], a['sig'], 'sig I', h.th3), 'PM_REFUSED', 403)
        demand(hmac.compare_digest(a['mac'], h.macA) and not is_prime(h.N_A, 2), 'PM_REFUSED', 403)
        h.finish()
        self.sessions[h.sid] = Session(h, a['id'])
        return write_form({'fin': h.fin})

    def sealed(self, method, target, body, headers):
        """Status and sealed body for a request of a session."""
        auth = headers.get_all('Portmesh-Auth', [])
        match = AUTH.fullmatch(auth[0]) if len(auth) == 1 else None
        demand(match and int(match[2]) <= MAX_N, 'PM_NO_SESSION', 401)
        n, now = int(match[2]), time.monotonic()
        try:
            sid, mac = unb64u(match[1], 16), unb64u(match[3], 32)
        except ValueError:
            raise Refused('PM_NO_SESSION', 401) from None
        session = self.sessions.get(sid)
        demand(session and now - session.started < 3600 and now - session.last < 600, 'PM_NO_SESSION', 401)
        demand(hmac.compare_digest(mac, session.mac(n, method, target)), 'PM_NO_SESSION', 401)
        with self.lock:
            demand(session.take(n), 'PM_NO_SESSION', 401)
        session.last, request, log2, status = now, (n, method, target), LOG2, 200
        content = CONTENT.fullmatch(target) if method == 'GET' else None
        try:
            if content and content[2] == '/have':
                self.content_of(content[1])
                return 200, session.seal_live(self.news(), *request, 200)
            if content and content[3]:
                return 200, session.seal_pieces(*self.pieces(*content.groups()), FILE_LOG2, *request, 200)
            if content and content[2] == '/tree':
                return 200, session.seal(self.tree(content[1]), LOG2, *request, 200)
            text = self.route(method, target, session.open(body, LOG2, *request) if method == 'POST' else None)
            log2 = FILE_LOG2 if target.startswith('/myfiles/') else LOG2
        except (Refused, ValueError) as problem:
            refused = problem if isinstance(problem, Refused) else Refused('PM_BAD_STREAM')
            status, text = refused.status, error(refused)
        return status, session.seal(text, log2, *request, status)

    def route(self, method, target, plaintext):
        path, _, query = target.partition('?')
        if method == 'GET' and path == '/table':
            return self.table(dict(urllib.parse.parse_qsl(query)))
        if method == 'POST' and path == '/update':
            demand(is_good_news(plaintext), 'PM_BAD_REQUEST')
            print(f'news {plaintext.decode()}', flush=True)
            return b'{}'
        demand(method == 'GET' and path.startswith('/myfiles/'), 'PM_NOT_FOUND', 404)
        name = urllib.parse.unquote(path[len('/myfiles/'):])
        demand(name in self.files, 'PM_NOT_PUBLISHED', 404)
        with open(self.paths[name], 'rb') as file:
            content = file.read()
        demand(hashlib.sha256(content).hexdigest() == self.files[name]['hash'], 'PM_FILE_CHANGED', 409)
        return content

    def content_of(self, root):
        names = [name for name, file in self.files.items() if file['root'] == root]
        demand(names, 'PM_NOT_PUBLISHED', 404)
        with open(self.paths[names[0]], 'rb') as file:
            content = file.read()
        demand(hashlib.sha256(content).hexdigest() == self.files[names[0]]['hash'], 'PM_FILE_CHANGED', 409)
        return content

    def tree(self, root):
        content = self.content_of(root)
        step = piece_size_of(len(content))
        if len(content) <= step:
            return bytes.fromhex(root)
        height = (step // 16384).bit_length() - 1
        return b''.join(piece_node(content[i:i + step], height) for i in range(0, len(content), step))

    def pieces(self, root, _tail, first, last):
        """Just what was proposed: a holder may choose, and need not."""
        content = self.content_of(root)
        step, first, last = piece_size_of(len(content)), int(first), int(last or first)
        demand(first <= last and first * step < len(content), 'PM_BAD_REQUEST')
        part = content[first * step:(last + 1) * step]
        return first, -(-len(part) // step), part

    def news(self):
        yield b'{"all":true}'
        yield b'{"peers":[]}'
        while True:
            time.sleep(5)
            yield b'{}'

    def table(self, query):
        asked = [query.get(k, '0') for k in ('epoch', 'since')]  # who has nothing may leave them out
        demand(all(re.fullmatch('0|[1-9][0-9]{0,15}', text) for text in asked), 'PM_BAD_REQUEST')
        epoch, since = map(int, asked)
        same = query.get('files') == self.digest
        known = epoch == self.epoch and since <= self.version
        up_to = self.version if same else since if known else 0
        page, size = [], len(self.head) * 2
        for f in list(self.files.values())[up_to:]:
            size += len(json.dumps(f)) + 2
            if size > 1 << 20:
                break
            page.append(f)
        return json.dumps({'head': b64u(self.head), 'sig': b64u(self.sig), 'whole': not same and not known,
                           'upTo': up_to + len(page), 'files': page, 'gone': []}).encode()


def is_good_news(text):
    try:
        news = json.loads(text)
        return news['kind'] in ('changed', 'leaving') and type(news['port']) is int and 1 <= news['port'] <= 65535
    except (ValueError, TypeError, KeyError):
        return False


def error(refused):
    return json.dumps({'error': {'code': refused.code, 'message': 'That does not fit.'}}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout, node = 'HTTP/1.1', 72, None

    def answer(self):
        method, target = self.requestline.split()[:2]
        headers = {'Content-Type': 'application/json', 'Cache-Control': 'no-store'}
        sid = re.fullmatch('/session/([^/?]*)', target)
        length = int(self.headers.get('Content-Length', 0))
        try:
            demand(length <= (8192 if target.startswith('/session') else 2 << 20), 'PM_TOO_LARGE', 413)
            body, status = self.rfile.read(length), 200
            if (method, target) == ('GET', '/alive'):
                text, headers = b'up and running', self.node.alive()
            elif (method, target) == ('GET', '/getkey'):
                text = self.node.getkey().encode()
            elif (method, target) == ('POST', '/session'):
                text = self.node.session(body).encode()
            elif method == 'POST' and sid:
                text = self.node.confirm(sid[1], body).encode()
            else:
                status, text = self.node.sealed(method, target, body, self.headers)
                headers.update({'Content-Type': 'application/octet-stream', 'Portmesh-Sealed': 'v=1'})
        except Refused as refused:
            status, text, self.close_connection = refused.status, error(refused), refused.status == 413
        self.send_response(status)
        # A live stream has no length: it comes part by part, until nobody reads it any more.
        live = not isinstance(text, bytes)
        length = {'Connection': 'close'} if live else {'Content-Length': str(len(text))}
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in text if live else [text]:
                self.wfile.write(part)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def serve(port, paths):
    Handler.node = Node(paths)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
    server.daemon_threads = True
    print(f'serving {len(paths)} files at 127.0.0.1:{port} as {Handler.node.id.hex()}', flush=True)
    server.serve_forever()


# --- Vectors -----------------------------------------------------------------------------------------------------


def computed(vectors):
    """What the document makes of the input of the vectors, in their form; bytes are hex there."""
    given, streams = vectors['input'], []
    a, b, seed_A, seed_B, nA, nB, sid = (bytes.fromhex(given[k]) for k in 'a b seedA seedB nA nB sid'.split())
    N_A, N_B = (integer(math.prod(2**e - 1 for e in given[f'N_{side}_exponents'])) for side in 'AB')
    id_A, id_B, a, b = public_key(seed_A), public_key(seed_B), number(a), number(b)
    x, y, Z = (integer(pow(2, e, MODP15)) for e in (a, b, a * b))
    c, kid, hello = H('commit', nA, id_A, N_A), H('kid', y)[:16], {'v': V, 'group': GROUP}
    sig = S(seed_B, 'getkey', GROUP, y, id_B, N_B)
    run = {}
    for case in ('mesh', 'open'):
        h = run[case] = Handshake(Z, x, c, y, nB, sid, id_B, N_B, bytes.fromhex(vectors[case]['psk']))
        h.responder(S(seed_B, 'sig R', h.th2))
        h.initiator(nA, id_A, N_A)
        h.initiator_signed(S(seed_A, 'sig I', h.th3))
        h.finish()
    session = Session(h, id_B)
    for case in vectors['streams']:
        byte = (lambda i: i * i // 7) if case['frameLog2'] == LOG2 else (lambda i: i)  # the second was found by trying
        text = (bytes.fromhex(case['plaintext']) if 'plaintext' in case
                else bytes(byte(i) % 256 for i in range(case['plaintext_length'])))
        request = case['n'], case['method'], case['target'], *([case['status']] if 'status' in case else [])
        salt, log2 = bytes.fromhex(case['salt']), case['frameLog2']
        body, size = session.seal(text, log2, *request, salt=salt), (1 << log2) + 16
        demand(session.open(body, log2, *request) == text, 'a stream that does not open')
        streams.append({
            'plaintext_sha256': hashlib.sha256(text).digest(), 'K_s': session.stream_key(salt, log2, *request),
            'body': body, 'body_length': len(body), 'body_sha256': hashlib.sha256(body).digest(),
            'first_48_bytes': body[:48], 'portmesh_auth': session.auth(*request[:3]),
            'tags': [body[i:i + size][-16:] for i in range(17, len(body), size)]})
    return {
        'lp': [{'out': lp(*map(bytes.fromhex, case['fields']))} for case in vectors['lp']],
        'input': {'N_A': N_A, 'N_B': N_B, 'v': V, 'group': GROUP},
        'common': {'idA': id_A, 'idB': id_B, 'fingerprintA': H('id', id_A), 'x': x, 'y': y, 'kid': kid, 'Z': Z, 'c': c,
                   'extract_salt': H('extract', GROUP), 'getkey_sig': sig},
        'messages': {
            'getkey': write_form({**hello, 'dh': y, 'kid': kid, 'id': id_B, 'bbs': N_B, 'sig': sig}),
            'session': write_form({**hello, 'kid': kid, 'x': x, 'c': c}),
            'session_answer': write_form({'sid': sid, 'nB': nB, 'sig': h.sigB, 'mac': h.macB}),
            'confirm_path': f'/session/{b64u(sid)}',
            'confirm': write_form({'nA': nA, 'id': id_A, 'bbs': N_A, 'sig': h.sigA, 'mac': h.macA}),
            'confirm_answer': write_form({'fin': h.fin})},
        'open': vars(run['open']), 'mesh': vars(run['mesh']), 'streams': streams}


def compare(ours, theirs, where, found):
    """Sort the places of all published values into found['same'], ['other'] and ['given'] (not computed here)."""
    if isinstance(theirs, (dict, list)):
        for key in theirs if isinstance(theirs, dict) else range(len(theirs)):
            mine = ours.get(key) if isinstance(ours, dict) else ours[key] if ours else None
            compare(mine, theirs[key], f'{where}/{key}', found)
    else:
        ours = ours.hex() if isinstance(ours, bytes) else ours
        found['given' if ours is None else 'same' if ours == theirs else 'other'].append(where)


def check(path):
    with open(path, encoding='utf-8') as file:
        vectors = json.load(file)
    found = {'same': [], 'other': [], 'given': []}
    compare(computed(vectors), vectors, '', found)
    print(', '.join(f'{len(places)} {kind}' for kind, places in found.items()))
    print('not in the document:', ' '.join(p for p in found['given'] if 'sas' in p or 'mesh' in p))
    sys.exit('\n'.join(found['other']) or None)


def main(words):
    command, rest = (words[0], words[1:]) if words else ('', [])
    if command == 'check' and len(rest) == 1:
        check(rest[0])
    elif command == 'serve' and len(rest) > 0:
        serve(int(rest[0]), rest[1:])
    elif command == 'row' and len(rest) == 1:
        head, files = pull(Peer(rest[0], Identity()))
        print(json.dumps({'head': head, 'files': list(files.values())}, ensure_ascii=False, indent=1))
    elif command == 'news' and len(rest) == 3:
        news = json.dumps({'kind': rest[1], 'port': int(rest[2])}).encode()
        print(Peer(rest[0], Identity()).ask('POST', '/update', news).decode())
    elif command == 'have' and len(rest) == 2:
        for message in have(Peer(rest[0], Identity()), rest[1]):
            print(message.decode(), flush=True)
        print('the end', flush=True)
    elif command == 'pieces' and len(rest) > 1:
        peer = Peer(rest[0], Identity())
        for name in rest[1:]:
            print(hashlib.sha256(pieces(peer, name)).hexdigest(), name, flush=True)
    elif command == 'fetch' and (len(rest) == 2 or len(rest) == 4 and rest[2] == '-o'):
        content = fetch(Peer(rest[0], Identity()), rest[1])
        with open(rest[3], 'wb') if len(rest) == 4 else sys.stdout.buffer as file:
            file.write(content)
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Refused, ValueError, KeyError, TypeError, OSError, http.client.HTTPException) as problem:
        sys.exit(f'portmesh.py: {problem!r}')
    except KeyboardInterrupt:
        sys.exit(130)
