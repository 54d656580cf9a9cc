import { readFileSync } from 'node:fs'
import t from 'tap'
import { optionsText, parseOptions } from '../../bench/options.ts'
import { choose } from '../../bench/variants/index.ts'
import { imageFlags } from '../../bench/variants/liburna.ts'

t.test('without options: five rounds of four seconds on the CPUs 0 and 1', t => {
  t.match(parseOptions([]), { rounds: 5, seconds: 4, connectionSeconds: 4, idleConnections: 1000, cpus: { a: 0, b: 1 }, only: [], peers: [], check: false, help: false })
  t.end()
})

t.test('quick is one round of a second, unless more is said', t => {
  t.match(parseOptions(['--quick']), { rounds: 1, seconds: 1, connectionSeconds: 1 })
  t.match(parseOptions(['--quick', '--rounds', '3', '--connect-seconds', '120']), { rounds: 3, seconds: 1, connectionSeconds: 120 })
  t.end()
})

t.test('only and peer may be repeated', t => {
  t.match(parseOptions(['--only', 'direct', '--only', 'memory', '--peer', 'envoy', '--peer', 'ztunnel=/x=y']), { only: ['direct', 'memory'], peers: ['envoy', 'ztunnel=/x=y'] })
  t.end()
})

const wrong = [['--rounds', '0'], ['--rounds', '1.5'], ['--rounds', 'many'], ['--seconds', '601'], ['--idle', '5001'], ['--cpus', '0'], ['--cpus', '0,x'], ['--nonsense'], ['word'], ['--rounds']]

for (const argv of wrong) {
  t.test(`refused: ${argv.join(' ')}`, t => {
    t.throws(() => parseOptions(argv), { code: 'option-invalid' })
    t.end()
  })
}

t.test('every option is in the help', t => {
  for (const name of ['rounds', 'seconds', 'connect-seconds', 'idle', 'quick', 'only', 'peer', 'cpus', 'check', 'profile', 'help']) t.match(optionsText(), `--${name}`)
  t.end()
})

t.test('variants: the usual ones, those named, and peers in addition', t => {
  const names = (only: string[], peers: string[] = []): string[] => choose(only, peers).map(({ name }) => name)
  t.same(names([]), ['direct', 'liburna', 'liburna-resumed', 'liburna-pooled', 'liburna-authenticate', 'liburna-streams', 'haproxy-tls', 'haproxy-splice'])
  t.same(names(['haproxy-tls', 'direct']), ['direct', 'haproxy-tls'])
  t.same(names(['direct'], ['haproxy-resumed', 'direct', 'envoy=/bin/envoy']), ['direct', 'haproxy-resumed', 'envoy'])
  t.throws(() => choose(['nobody'], []), { code: 'option-invalid' })
  t.end()
})

t.test('an agent is started with the flags of the image', t => {
  const [, entry = '[]'] = /^ENTRYPOINT (.*)$/m.exec(readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')) ?? []
  t.same(JSON.parse(entry), ['node', ...imageFlags, '/app/dist/main.js'])
  t.end()
})
