"""The language of the house: ISO 8583 dialects, codec, framing and messages. Pure: no input, output, time or chance.

Importing it costs nothing but the standard library. What is exported here is what users import, and stays stable.
"""

from iso.codec import decode, encode
from iso.dialect import Dialect
from iso.dialects import dialect
from iso.errors import CardrailsError, ConfigError, IsoError, LocalProtocolError, RemoteProtocolError
from iso.framing import framing
from iso.message import Message

__all__ = [
    "CardrailsError",
    "ConfigError",
    "Dialect",
    "IsoError",
    "LocalProtocolError",
    "Message",
    "RemoteProtocolError",
    "decode",
    "dialect",
    "encode",
    "framing",
]
