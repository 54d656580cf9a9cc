/** Names that both ends must agree on. */

/** ALPN: one name for every mode, which is agreed on later, by ends that have proven themselves. */
export const alpnName = 'liburna/1'

/** Label of the TLS exporter (RFC 8446, 7.5) that names a flow. */
export const flowExporterLabel = 'EXPORTER-liburna-flow'

/** Labels of the exporter for what later handshakes of the same two pods may rest on: the identity of a pre-shared key, and the key. */
export const resumptionExporterLabels = { identity: 'EXPORTER-liburna-resumption-id', secret: 'EXPORTER-liburna-resumption' } as const
