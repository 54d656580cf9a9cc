/** Names that both ends must agree on. */

/** ALPN: protocol version and mode, so that a later mode can be offered and refused cleanly. */
export const alpnEncrypt = 'liburna/1'

/** Label of the TLS exporter (RFC 8446, 7.5) that names a flow. */
export const flowExporterLabel = 'EXPORTER-liburna-flow'
