"""The vault under a passphrase: scrypt makes the key, AES-256-GCM hides and protects.

It does not know what the secrets are. Form: magic, 16 bytes of salt, 12 of nonce, then the ciphertext with its tag. The
costs belong to the magic's number, never to the file, so a hostile file cannot choose them. scrypt: RFC 7914, with
OWASP's first recommendation (N = 2^17, r = 8, p = 1: 128 MiB, about half a second).
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dobby.errors import DobbyError

MAGIC = b"DOBBY-VAULT-1\n"
SALT = 16  # bytes
NONCE = 12  # bytes
TAG = 16  # bytes
WRONG = "The passphrase does not open the vault, or the file was changed."


class WrongPassphrase(DobbyError):
    """The passphrase is another one, or the bytes were changed: nobody can tell which."""


def seal(secrets: bytes, passphrase: str) -> bytes:
    """Secrets as bytes that only the passphrase opens."""
    head = MAGIC + os.urandom(SALT) + os.urandom(NONCE)
    return head + AESGCM(_key(passphrase, head)).encrypt(head[-NONCE:], secrets, head)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """The secrets.

    :raises WrongPassphrase: they do not open.
    """
    size = len(MAGIC) + SALT + NONCE
    head = sealed[:size]
    if not head.startswith(MAGIC) or len(sealed) < size + TAG:
        raise WrongPassphrase(WRONG)
    try:
        return AESGCM(_key(passphrase, head)).decrypt(head[-NONCE:], sealed[size:], head)
    except InvalidTag as error:
        raise WrongPassphrase(WRONG) from error


def _key(passphrase: str, head: bytes) -> bytes:
    salt = head[len(MAGIC) : len(MAGIC) + SALT]
    return Scrypt(salt, length=32, n=2**17, r=8, p=1).derive(passphrase.encode(errors="surrogatepass"))
