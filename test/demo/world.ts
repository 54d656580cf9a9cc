/** What the demo is played in: the shop of the lab, with real servers and a second backend behind the load balancer. */

import { allowEgress, allowIngress, openShop } from '../fixtures/lab/index.ts'
import type { Shop } from '../fixtures/lab/index.ts'

export type Progress = (text: string) => void

/** What `web` answers; it must never be seen between the nodes in clear. */
export const secretText = 'the-takings-of-the-shop-are-42'

export interface World extends AsyncDisposable {
  readonly shop: Shop
  /** The same text from a server without an agent, as a control. */
  readonly plainByNode: string
  /** Port 7 of `web`, which echoes. */
  readonly echoByNode: string
}

const webFrom = (app: string): string => allowIngress('web-from-front', { of: { app: 'web' }, with: { app }, ports: ['http', 7] })

export const webFromFront = webFrom('front')
/** The same policy after somebody has edited it. */
export const webFromBatch = webFrom('batch')

const policies = {
  'web-from-front': webFromFront,
  'db-from-web': allowIngress('db-from-web', { of: { app: 'db' }, with: { app: 'web' }, ports: ['sql'] }),
  'front-to-web': allowEgress('front-to-web', { of: { app: 'front' }, with: { app: 'web' } }),
  'front-from-batch': allowIngress('front-from-batch', { of: { app: 'front' }, with: { app: 'batch' } }),
}

export async function openWorld (onProgress: Progress): Promise<World> {
  onProgress('building two nodes, a gateway and seven pods, and starting two agents')
  const shop = await openShop({ onProgress, policies, secondBackend: true })
  try {
    const { front, web, web2, db, plain, east } = shop
    if (web2 === undefined) throw new Error('the shop was asked for a second backend')
    onProgress('starting nginx, MariaDB and a small server in the pods')
    await Promise.all([web.serve.nginx(8080, secretText), web2.serve.nginx(8080, secretText), plain.serve.nginx(80, secretText), web.serve.echo(7), db.serve.mariadb(3306), front.serve.answer(8080, 'status of front')])
    const plainByNode = await east.hostPort(30081, plain, 80)
    const echoByNode = await east.hostPort(30007, web, 7)
    return { shop, plainByNode, echoByNode, [Symbol.asyncDispose]: async () => shop[Symbol.asyncDispose]() }
  } catch (error) {
    await shop[Symbol.asyncDispose]()
    throw error
  }
}
