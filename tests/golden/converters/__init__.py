"""A converter of sidecars for each system.

Each is a module with `convert(sidecar)`, which returns a `Converted`, or None where the sidecar is
none of its system's, told from its keys; it raises `Refused` where it does not understand one.
"""

from converters import asf, k600, retrieval, tim, valor, visual

SYSTEMS = {
    "k600": k600,
    "valor": valor,
    "asf": asf,
    "tim_recognition": tim,
    "visual": visual,
    "retrieval": retrieval,
}
