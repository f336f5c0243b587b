"""What the protocol takes from elsewhere: modp15, Jacobi, primes, Ed25519, AES-256-GCM. Not constant-time."""
import hashlib
import hmac
import math
import secrets

# --- Numbers -----------------------------------------------------------------------------------------------------


def _pi(bits):
    """floor(2^bits * pi), after Machin."""
    def arctan(inverse):
        one = 1 << (bits + 64)
        term, total, k, sign = one // inverse, 0, 1, 1
        while term:
            total, term, k, sign = total + sign * (term // k), term // inverse**2, k + 2, -sign
        return total
    return (16 * arctan(5) - 4 * arctan(239)) >> 64


MODP15 = 2**3072 - 2**3008 - 1 + 2**64 * (_pi(2942) + 1690314)  # RFC 3526, 4
SMALL_PRIMES = [n for n in range(2, 2000) if all(n % d for d in range(2, math.isqrt(n) + 1))]


def jacobi(a, n):
    a, sign = a % n, 1
    while a:
        while a % 2 == 0:
            a //= 2
            sign = -sign if n % 8 in (3, 5) else sign
        a, n = n, a
        sign = -sign if a % 4 == n % 4 == 3 else sign
        a %= n
    return sign if n == 1 else 0


def is_prime(n, rounds=5):
    """Miller-Rabin with random bases, for large odd n."""
    twos = ((n - 1) & (1 - n)).bit_length() - 1
    for _ in range(rounds):
        x = pow(secrets.randbelow(n - 3) + 2, (n - 1) >> twos, n)
        if x != 1 and all(pow(x, 1 << i, n) != n - 1 for i in range(twos)):
            return False
    return True


def random_prime(bits):
    """Its two highest bits are set, and it is 3 mod 4."""
    while True:
        n = secrets.randbits(bits) | 3 << (bits - 2) | 3
        if all(n % p for p in SMALL_PRIMES) and is_prime(n):
            return n


# --- Ed25519, RFC 8032 -------------------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def _add(a, b):
    """Points are (X, Y, Z, T) with x = X / Z, y = Y / Z, x y = T / Z."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * D * a[3] * b[3] % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, d - c, d + c, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        total = _add(total, point) if scalar & 1 else total
        point, scalar = _add(point, point), scalar >> 1
    return total


def _encode(point):
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, 'little')


def _decode(data):
    number = int.from_bytes(data, 'little')
    y, odd = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or y >= P or (x == 0 and odd):
        raise ValueError('no point of Ed25519')
    x = x if x % 2 == odd else P - x
    return x, y, 1, x * y % P


BASE = _decode((4 * pow(5, -1, P) % P).to_bytes(32, 'little'))


def _mod_order(*parts):
    return int.from_bytes(hashlib.sha512(b''.join(parts)).digest(), 'little') % ORDER


def _secret(seed):
    digest = hashlib.sha512(seed).digest()
    return int.from_bytes(digest[:32], 'little') & (2**254 - 8) | 2**254, digest[32:]


def public_key(seed):
    return _encode(_times(_secret(seed)[0], BASE))


def sign(seed, message):
    scalar, prefix = _secret(seed)
    r = _mod_order(prefix, message)
    point = _encode(_times(r, BASE))
    return point + ((r + _mod_order(point, public_key(seed), message) * scalar) % ORDER).to_bytes(32, 'little')


def verify(public, message, signature):
    try:
        x, y, z, t = _decode(public)
    except ValueError:
        return False
    s, k = int.from_bytes(signature[32:], 'little'), _mod_order(signature[:32], public, message)
    point = _add(_times(s, BASE), _times(k, (P - x, y, z, P - t)))
    return len(signature) == 64 and s < ORDER and _encode(point) == signature[:32]


# --- AES-256-GCM: all blocks of a text at once, as 16 strings: first bytes, second bytes, .. -----------------------

TWICE = bytes(b << 1 ^ (0x11b if b & 0x80 else 0) for b in range(256))
_powers = [1]
for _ in range(254):
    _powers.append(_powers[-1] ^ TWICE[_powers[-1]])
_inverse = {0: 0, **{b: _powers[-i % 255] for i, b in enumerate(_powers)}}
_spread = [v ^ v << 1 ^ v << 2 ^ v << 3 ^ v << 4 for v in (_inverse[b] for b in range(256))]
SBOX = bytes(v & 0xff ^ v >> 8 ^ 0x63 for v in _spread)


def _round_keys(key):
    """15 round keys of 16 bytes."""
    words = [key[i:i + 4] for i in range(0, 32, 4)]
    constant = 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = (word[1:] + word[:1]).translate(SBOX)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = TWICE[constant]
        elif i % 8 == 4:
            word = word.translate(SBOX)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word)))
    return [b''.join(words[i:i + 4]) for i in range(0, 60, 4)]


def _number(text):
    return int.from_bytes(text, 'big')


def _aes_ctr(key, nonce, first, count):
    """AES of nonce (12 bytes) || counter (4 bytes), for count counters from first."""
    ones = _number(b'\1' * count)
    counters = b''.join((first + i).to_bytes(4, 'big') for i in range(count))
    keys = _round_keys(key)
    state = [bytes([b]) * count for b in nonce] + [counters[i::4] for i in range(4)]
    state = [(_number(s) ^ ones * k).to_bytes(count, 'big') for s, k in zip(state, keys[0])]
    for turn in range(1, 15):
        state = [s.translate(SBOX) for s in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        a = [_number(s) for s in state]
        if turn < 14:
            b = [_number(s.translate(TWICE)) for s in state]
            columns = [[i - i % 4 + (i + k) % 4 for k in range(4)] for i in range(16)]
            a = [b[i] ^ b[j] ^ a[j] ^ a[k] ^ a[m] for i, j, k, m in columns]
        state = [(s ^ ones * k).to_bytes(count, 'big') for s, k in zip(a, keys[turn])]
    blocks = bytearray(16 * count)
    for i in range(16):
        blocks[i::16] = state[i]
    return bytes(blocks)


def _xor(a, b):
    return (_number(a) ^ _number(b)).to_bytes(len(a), 'big')


def _ghash(key, text):
    """GHASH without associated data."""
    power, tables = _number(key), []
    for _ in range(16):
        products, powers = [0], []
        for _ in range(8):
            powers.append(power)
            power = power >> 1 ^ (0xe1 << 120 if power & 1 else 0)
        for p in reversed(powers):
            products += [p ^ other for other in products]
        tables.append(products)
    total, text = 0, text + bytes(-len(text) % 16) + (len(text) * 8).to_bytes(16, 'big')
    for i in range(0, len(text), 16):
        block, total = total ^ _number(text[i:i + 16]), 0
        for table, byte in zip(tables, block.to_bytes(16, 'big')):
            total ^= table[byte]
    return total.to_bytes(16, 'big')


def _gcm(key, nonce, text, ciphertext=None):
    stream = _aes_ctr(key, nonce, 1, 1 + (len(text) + 15) // 16)
    out = _xor(text, stream[16:16 + len(text)])
    hash_key = _aes_ctr(key, bytes(12), 0, 1)
    return out, _xor(_ghash(hash_key, out if ciphertext is None else ciphertext), stream[:16])


def gcm_seal(key, nonce, plaintext):
    return b''.join(_gcm(key, nonce, plaintext))


def gcm_open(key, nonce, sealed):
    """The plaintext, or ValueError."""
    if len(sealed) < 16:
        raise ValueError('shorter than a tag')
    plaintext, tag = _gcm(key, nonce, sealed[:-16], sealed[:-16])
    if not hmac.compare_digest(tag, sealed[-16:]):
        raise ValueError('the tag is wrong')
    return plaintext
