import t from 'tap'
import { parsePerf } from '../../bench/profile-parts.ts'

const report = [
  '# a comment',
  '  9.15%\tnode\t[.] v8::internal::ConcurrentMarking::RunMajor   -      -',
  '  7.90%\t[kernel.kallsyms]\t[k] _raw_spin_unlock_irqrestore   -      -',
  '  3.41%\tnode\t[.] ossl_aes_gcm_encrypt_avx512',
  '  2.00%\t[kernel.kallsyms]\t[k] nft_do_chain',
  '  1.50%\t[kernel.kallsyms]\t[k] finish_task_switch.isra.0',
  '  1.00%\tlibc.so.6\t[.] __memmove_avx512_unaligned_erms',
  "  0.50%\t[JIT] tid 7\t[.] JS:*'#push file:///x/src/handshake/channel.ts:155:9",
  '  0.25%\tsomething.so\t[.] unknown',
  '',
].join('\n')

t.test('symbols are sorted into parts, and what is no symbol is left out', t => {
  t.same(parsePerf(report), [
    { percent: 9.15, name: 'v8::internal::ConcurrentMarking::RunMajor', part: 'V8: garbage collection' },
    { percent: 7.9, name: '_raw_spin_unlock_irqrestore', part: 'kernel: scheduling and waking' },
    { percent: 3.41, name: 'ossl_aes_gcm_encrypt_avx512', part: 'OpenSSL: bulk encryption' },
    { percent: 2, name: 'nft_do_chain', part: 'kernel: nftables and TPROXY' },
    { percent: 1.5, name: 'finish_task_switch.isra.0', part: 'kernel: scheduling and waking' },
    { percent: 1, name: '__memmove_avx512_unaligned_erms', part: 'memory: copying and allocating' },
    { percent: 0.5, name: "JS:*'#push file:///x/src/handshake/channel.ts:155:9", part: 'JavaScript' },
    { percent: 0.25, name: 'unknown', part: 'other' },
  ])
  t.end()
})
