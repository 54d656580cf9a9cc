/**
 * ztunnel in its dedicated mode, one in each namespace: HBONE (HTTP/2 over mutual TLS) between them, one transport
 * shared by all connections. For a program that the user brings, built with its feature `testing`.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nft } from '../../test/fixtures/lab/netns.ts'
import { BenchError } from '../error.ts'
import { addressOf } from '../pair.ts'
import { listening } from '../servers.ts'
import type { Daemon } from '../../test/fixtures/lab/daemon.ts'
import type { Pair, Side } from '../pair.ts'
import type { Variant } from './variant.ts'

const outboundPort = 15_001
const inboundPort = 15_006
const hbonePort = 15_008
/** What its own sockets carry: they are not redirected. */
const ownMark = 0x539

/** What the application sends goes to its outbound port; what comes, unless it is HBONE, to its inbound port. */
const rules = `
table ip ztunnel {
  chain output { type nat hook output priority -100;
    meta mark { ${ownMark}, 0x111 } accept
    oifname "lo" accept
    meta l4proto tcp redirect to :${outboundPort}
  }
  chain prerouting { type nat hook prerouting priority dstnat;
    iifname "lo" accept
    tcp dport ${hbonePort} accept
    meta l4proto tcp redirect to :${inboundPort}
  }
}`

export function ztunnel (path: string): Variant {
  return {
    name: 'ztunnel',
    about: 'ztunnel in dedicated mode in both namespaces, HBONE between them',
    usual: false,
    needs: ['nft'],
    open: async pair => {
      if (path === '') throw new BenchError('ztunnel needs the path of its program: --peer ztunnel=PATH', { code: 'option-invalid' })
      const proxies = [await start(pair, 'a', path), await start(pair, 'b', path)]
      return { dial: port => ({ host: addressOf.b, port }), proxies }
    },
  }
}

async function start (pair: Pair, side: Side, program: string): Promise<Daemon> {
  const folder = join(pair.site.folder, pair.netns(side))
  await mkdir(folder, { recursive: true })
  const workloads = join(folder, 'workloads.yaml')
  // JSON is YAML too.
  await writeFile(workloads, JSON.stringify({
    workloads: (['a', 'b'] as const).map(each => ({
      uid: `bench//v1/Pod/bench/${each}`, name: each, namespace: 'bench', serviceAccount: each, workloadIps: [addressOf[each]],
      protocol: 'HBONE', node: `node-${each}`, network: '', services: {},
    })),
  }))
  const daemon = pair.start({
    command: program,
    args: [],
    side,
    env: {
      PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: `bench/${side}/${side}`, NODE_NAME: `node-${side}`, PACKET_MARK: `${ownMark}`,
      FAKE_CA: 'true', XDS_ADDRESS: '', LOCAL_XDS_PATH: workloads, ENABLE_ORIG_SRC: 'false', IPV6_ENABLED: 'false', ZTUNNEL_WORKER_THREADS: '1', RUST_LOG: 'error',
    },
  })
  await listening(pair, side, hbonePort, daemon, 'ztunnel')
  await nft(pair.netns(side), rules)
  return daemon
}
