import t from 'tap'
import fc from 'fast-check'
import { optionBytes, synSpeaks } from '../../src/capture/option.ts'

const mss = [2, 4, 5, 180]
const ours = [...optionBytes]

/** A TCP header with these options, padded with zeros. */
function tcp (options: readonly number[]): number[] {
  const padded = [...options, ...Array<number>((4 - options.length % 4) % 4).fill(0)]
  return [...Array<number>(12).fill(0), (5 + padded.length / 4) << 4, 0x02, ...Array<number>(6).fill(0), ...padded]
}

function v4 (payload: readonly number[], { words = 5, protocol = 6 } = {}): Uint8Array {
  const header = Array<number>(words * 4).fill(0)
  header[0] = 0x40 | words
  header[9] = protocol
  return Uint8Array.from([...header, ...payload])
}

function v6 (payload: readonly number[], next = 6): Uint8Array {
  const header = Array<number>(40).fill(0)
  header[0] = 0x60
  header[6] = next
  return Uint8Array.from([...header, ...payload])
}

t.test('the option is found wherever it stands', t => {
  t.ok(synSpeaks(v4(tcp(ours))))
  t.ok(synSpeaks(v4(tcp([...mss, 1, 1, ...ours]))))
  t.ok(synSpeaks(v4(tcp(ours), { words: 15 })), 'behind IPv4 options')
  t.ok(synSpeaks(v6(tcp([...mss, ...ours]))))
  t.ok(synSpeaks(v6([60, 0, 0, 0, 0, 0, 0, 0, 6, 1, ...Array<number>(14).fill(0), ...tcp(ours)], 0)), 'behind IPv6 extension headers')
  t.ok(synSpeaks(v4(tcp([254, 4, 0x12, 0x34, ...ours]))), 'behind another experiment')
  t.end()
})

t.test('everything else does not speak', t => {
  const silent: Record<string, Uint8Array> = {
    'no option': v4(tcp([])),
    'other options': v4(tcp([...mss, 4, 2])),
    'another id': v4(tcp([254, 6, 0x4c, 0x42, 0x52, 0x4f])),
    'the other experimental kind': v4(tcp([253, ...ours.slice(1)])),
    'ours, but longer': v4(tcp([254, 8, ...ours.slice(2), 0, 0])),
    'a longer one of ours before ours': v4(tcp([254, 8, ...ours.slice(2), 0, 0, ...ours])),
    'ours behind the end of the options': v4(tcp([0, ...ours])),
    'a length of zero': v4(tcp([5, 0, ...ours])),
    'a length of one': v4(tcp([5, 1, ...ours])),
    'a length beyond the header': v4(tcp([5, 200, ...ours])),
    'ours cut short by the header': v4(tcp([1, 1, 254, 6])),
    'a kind without a length': v4(tcp([1, 1, 1, 254])),
    'not TCP': v4(tcp(ours), { protocol: 17 }),
    'a short IPv4 header': v4(tcp(ours), { words: 4 }),
    'a fragment header': v6(tcp(ours), 44),
    'neither version': Uint8Array.from([0x50, ...v4(tcp(ours)).subarray(1)]),
    'a data offset below five': v4([...Array<number>(12).fill(0), 0x40, 2, ...Array<number>(6).fill(0), ...ours]),
    'nothing': new Uint8Array(0),
  }
  for (const [name, headers] of Object.entries(silent)) t.notOk(synSpeaks(headers), name)
  t.end()
})

t.test('headers cut anywhere do not speak and do not throw', t => {
  for (const whole of [v4(tcp(ours)), v6(tcp([...mss, ...ours]))]) {
    for (let length = 0; length < whole.length - 2; length++) t.notOk(synSpeaks(whole.subarray(0, length)))
  }
  t.end()
})

t.test('no bytes make it throw', t => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), bytes => typeof synSpeaks(bytes) === 'boolean'))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), options => typeof synSpeaks(v4(tcp([...options]))) === 'boolean'))
  t.end()
})
