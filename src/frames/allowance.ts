/**
 * How many control frames a proven peer may send on a connection.
 *
 * Each one is the main thread's to look at, where a relay thread reads it through a queue that has no end, and a certificate costs a
 * verification: a peer that sends nothing else would take the time of all other connections of the node. What a connection
 * has reason to send is a greeting, a verdict, and now and then a certificate.
 */

import { TokenBucket } from '../lib/token-bucket.ts'

const limits = { perSecond: 1, burst: 16 }

export class FrameAllowance extends TokenBucket {
  constructor () { super(limits) }
}
