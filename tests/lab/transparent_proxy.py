"""A proxy behind TPROXY: takes connections to all addresses on port 8080 for a while."""

from __future__ import annotations

import socket

IP_TRANSPARENT = 19  # linux/in.h

if __name__ == "__main__":
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
        listener.bind(("0.0.0.0", 8080))
        listener.listen()
        listener.settimeout(20)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"proxied")
