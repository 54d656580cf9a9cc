/**
 * Packet and socket marks (SO_MARK, nft `meta mark`, `ip rule fwmark`).
 *
 * One field of four bits says what a packet is to us; the other bits are left as they are found, so that marks of
 * others (kube-proxy 0x4000 and 0x8000, WireGuard, Istio) live on beside ours.
 *
 * Threat model: SO_MARK needs CAP_NET_ADMIN or CAP_NET_RAW. An application with either can also send raw frames, so
 * nothing inside its namespace can hold it; pods must drop both. Its peers still see an unverified peer.
 */

/** The field. */
export const kindMask = 0x0f000000

export const marks = {
  /** The agent's sockets that face the wire: the inbound listener, dials to real destinations. */
  wire: 0x01000000,
  /** The agent's sockets that face the local application: the outbound listener, dials to the application. */
  pod: 0x02000000,
  /** Packets for the agent: routed to `lo` by the policy rule. Also what application sockets inherit that we dialled. */
  capture: 0x03000000,
  /** Excluded traffic, and resets that answer the wire: leaves as if we were not there. */
  exempt: 0x04000000,
} as const

/** Set by the BPF program in the mark of a wire socket whose SYN-ACK said that an agent answers. */
export const peerIsAgent = 0x10000000
