/** No proxy at all: what the machine and the load generators can do. */

import { addressOf } from '../pair.ts'
import type { Variant } from './variant.ts'

export const direct: Variant = {
  name: 'direct',
  about: 'client to server without a proxy: the ceiling of machine and load generator',
  usual: true,
  needs: [],
  open: async () => ({ dial: port => ({ host: addressOf.b, port }), proxies: [] }),
}
