/** Which part of the program a symbol of `perf` belongs to. Pure. */

export interface Symbol {
  /** Of all samples. */
  readonly percent: number
  readonly name: string
  readonly part: PartName
}

/** The first pattern that fits decides; `dso` is the file that the symbol comes from. */
const parts = [
  ['kernel: nftables and TPROXY', 'kernel', /^(nft_|nf_|__nft|tproxy|ipt_do)/],
  ['kernel: scheduling and waking', 'kernel', /sched|task_|wake|switch|^rq_|_raw_spin|hrtimer|epoll|^ep_|eventfd|futex|clear_bhb|rcu/],
  ['kernel: TCP, IP and devices', 'kernel', /tcp|^ip_|^__ip|skb|sock_|sk_|veth|dev_|netif|net_rx|softirq|loopback|process_backlog|inet|fib_|csum|_copy_(to|from)_iter|copy_(to|from)_user|rep_movs|simple_copy/],
  ['kernel: the rest', 'kernel', /./],
  ['V8: garbage collection', 'node', /Mark|Sweep|Scaveng|Evacuat|GCTracer|HeapObject::SizeFromMap|BodyDescriptor|Heap::|ObjectVisitor|RootVisitor|ArrayBufferSweeper|JSFunction::NeedsReset|Worklist|PagedSpace|NewSpace|Weak/],
  ['OpenSSL: bulk encryption', 'node', /aes|gcm|AES|ghash/],
  ['OpenSSL: handshake arithmetic', 'node', /ecp_|bn_|mlkem|ml_kem|x25519|fe51|fe64|sha3|SHA3|keccak|Keccak|sha256|sha512|KeccakF|ec_GF|BN_|ge_|ed25519|scalar|ntt|ossl_ec/i],
  ['OpenSSL: the rest', 'node', /ossl|SSL|tls_|tls1|ssl|BIO_|bio_|EVP|CRYPTO|OPENSSL|X509|ASN1|asn1|x509|evp_|ERR_|PEM/],
  ['Node and libuv', 'node', /^node::|^uv_|uv__|StreamBase|LibuvStreamWrap|TLSWrap/],
  ['V8: the rest', 'node', /v8|Builtins_|_ZN2v8/],
  ['JavaScript', 'JIT', /./],
  ['memory: copying and allocating', 'libc', /mem|alloc|free/],
  ['other', '', /./],
] as const satisfies readonly (readonly [string, string, RegExp])[]

export type PartName = typeof parts[number][0]
export const partNames: readonly PartName[] = parts.map(([name]) => name)

/** Reads `perf report -t TAB --sort dso,symbol`. Lines that are not of that form are left out. */
export function parsePerf (text: string): Symbol[] {
  return text.split('\n').flatMap(line => {
    const [percent = '', dso = '', symbol = ''] = line.split('\t').map(field => field.trim())
    const match = /^([\d.]+)%$/.exec(percent)
    const name = symbol.replace(/^\[[.k]\] /, '').replace(/\s+-\s+-\s*$/, '')
    return match === null ? [] : [{ percent: Number(match[1]), name: name.slice(0, 100), part: partOf(dso, name) }]
  })
}

function partOf (dso: string, name: string): PartName {
  return parts.find(([, from, pattern]) => dso.includes(from) && pattern.test(name))?.[0] ?? 'other'
}
