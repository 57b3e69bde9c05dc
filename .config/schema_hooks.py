"""Serializers for schemathesis: bodies in Protocol Buffers are arbitrary bytes; few are valid."""

import schemathesis


@schemathesis.serializer("application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
def protobuf(_, value):
    return value if isinstance(value, bytes) else str(value).encode()
