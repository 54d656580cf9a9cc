/** Names that both ends must agree on. */

/** ALPN: one name for every mode, which is agreed on later, by ends that have proven themselves. */
export const alpnName = 'liburna/1'

/** Label of the TLS exporter (RFC 8446, 7.5) that names a flow. */
export const flowExporterLabel = 'EXPORTER-liburna-flow'
