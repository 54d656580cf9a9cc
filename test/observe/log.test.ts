import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { createLog, silentLog } from '../../src/observe/index.ts'
import { memorySink } from '../fixtures/recorder.ts'
import type { LogLevel, LogOptions } from '../../src/observe/index.ts'

function logged (options: LogOptions = {}) {
  const sink = memorySink()
  return { log: createLog(sink, options), lines: () => sink.lines.map(line => JSON.parse(line) as Record<string, unknown> /* a log line */) }
}

t.test('a line is a constant message and fields', async t => {
  const { log, lines } = logged({ fields: { node: 'alpha' } })
  log.info('ready', { port: 80, big: 10n ** 20n, list: [1, 'a'], bytes: new Uint8Array(7), none: undefined })
  const [line] = lines()
  t.match(line, { level: 'info', message: 'ready', node: 'alpha', port: 80, big: '100000000000000000000', list: [1, 'a'], bytes: '[7 bytes]', time: /^\d{4}-.*Z$/ })
})

t.test('lines below the level are not written', async t => {
  for (const [level, expected] of [['debug', 4], ['info', 3], ['warn', 2], ['error', 1]] as const satisfies readonly [LogLevel, number][]) {
    const { log, lines } = logged({ level })
    for (const each of ['debug', 'info', 'warn', 'error'] as const) log[each]('x')
    t.equal(lines().length, expected, level)
  }
})

t.test('an error is told with its causes and code', async t => {
  const { log, lines } = logged()
  log.error('broken', { error: new Error('outer', { cause: Object.assign(new Error('inner'), { code: 'EPIPE' }) }) })
  t.match(lines(), [{ error: { message: 'outer: inner', code: 'EPIPE', stack: /log\.test/ } }])
})

t.test('a child has the fields of its parent', async t => {
  const { log, lines } = logged({ fields: { node: 'alpha' } })
  log.child({ pod: 'shop/web-0' }).warn('x', { a: 1 })
  t.match(lines(), [{ node: 'alpha', pod: 'shop/web-0', a: 1 }])
  t.doesNotThrow(() => { silentLog.child({}).error('x') })
})

t.test('keys and tokens cannot get in', async t => {
  const { log, lines } = logged()
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  log.info('x', { privateKey: 'abc', deep: { token: 't', list: [{ Password: 'p' }] }, text: `before ${String(pem)} after`, cut: String(pem).slice(0, 90), svid: { key: privateKey }, error: new Error(String(pem)) })
  const text = JSON.stringify(lines())
  t.notMatch(text, String(pem).split('\n')[1] ?? 'none')
  t.match(lines(), [{ privateKey: '[secret]', deep: { token: '[secret]', list: [{ Password: '[secret]' }] }, text: 'before [secret]\n after', cut: '[secret]' }])
})

t.test('something that contains itself ends', async t => {
  const { log, lines } = logged()
  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  log.info('x', { loop })
  t.match(JSON.stringify(lines()), /\[deep\]/)
})
