import { EventEmitter } from 'node:events'
import t from 'tap'
import { runCli } from '../../src/cli/index.ts'
import { settingLines } from '../../src/config.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import type { CliParts, RunningAgent } from '../../src/cli/index.ts'

const good = 'node: alpha\ncluster: east\ntrustDomain: east.example\nauthority: ./authority\npolicies: ./policies\n'

function world (parts: Partial<CliParts> = {}) {
  const said = { out: '', err: '' }
  const signals = new EventEmitter()
  const exits: number[] = []
  const all: CliParts = {
    version: '1.2.3',
    startAgent: () => Promise.reject(new Error('not in this test')),
    startIssuer: () => Promise.reject(new Error('not in this test')),
    disarm: () => Promise.resolve({ ok: true, text: 'disarmed\n' }),
    doctor: () => Promise.resolve({ ok: true, text: 'healthy\n' }),
    signals,
    exit: code => { exits.push(code) },
    print: text => { said.out += text },
    printError: text => { said.err += text },
    ...parts,
  }
  return { said, signals, exits, run: (...argv: string[]) => runCli(argv, all) }
}

t.test('version and help', async t => {
  for (const argv of [['--version'], ['-V'], ['version']]) {
    const { said, run } = world()
    t.equal(await run(...argv), 0)
    t.equal(said.out, '1.2.3\n')
  }
  const { said, run } = world()
  t.equal(await run('--help'), 0)
  t.match(said.out, /Exit codes: 0 done; 1 .*; 2 /)
})

t.test('config --help lists every setting', async t => {
  const { said, run } = world()
  t.equal(await run('config', '--help'), 0)
  for (const { name } of settingLines()) t.ok(said.out.includes(`  ${name} `), name)
})

for (const [what, argv, problem] of [
  ['an unknown command', ['runn'], /unknown command 'runn'/],
  ['an unknown option', ['run', '-c', 'x', '--confg', 'x'], /unknown option '--confg'/],
  ['no file', ['run'], /required option '-c, --config <file>' not specified/],
  ['no command', [], /Usage: liburna/],
  ['no file to check', ['config', 'check'], /missing required argument 'file'/],
] as const) {
  t.test(`a wrong command line ends with 2 and says why: ${what}`, async t => {
    const { said, run } = world()
    t.equal(await run(...argv), 2)
    t.match(said.err, problem)
    t.equal(said.out, '')
  })
}

t.test('config check', async t => {
  using folder = new TestFolder()
  const { said, run } = world()
  t.equal(await run('config', 'check', folder.write('node.yaml', good)), 0)
  t.match(said.out, /node\.yaml is right: node alpha, 0 workloads/)
  t.equal(await run('config', 'check', folder.write('bad.yaml', `${good}polices: x\n`)), 2)
  t.equal(said.err, `liburna: ${folder.at('bad.yaml')}:6: polices is not a setting; did you mean policies?\n`)
})

t.test('a wrong file ends run with 2 before anything is started', async t => {
  using folder = new TestFolder()
  let started = false
  const { said, run } = world({ startAgent: () => { started = true; return Promise.reject(new Error('started')) } })
  t.equal(await run('run', '--config', folder.at('none.yaml')), 2)
  t.match(said.err, /^liburna: .*none\.yaml: cannot be read: ENOENT.*\n$/)
  t.notOk(started)
})

const reopenFiles = (): void => {}

t.test('run ends with 0 after a signal has stopped the agent', async t => {
  using folder = new TestFolder()
  let stopped = 0
  const { signals, exits, run } = world({ startAgent: () => Promise.resolve({ reopenFiles, stop: () => { stopped++; return Promise.resolve() } }) })
  const ended = run('run', '-c', folder.write('node.yaml', good))
  await eventually(() => signals.listenerCount('SIGTERM') === 1)
  signals.emit('SIGTERM')
  t.equal(await ended, 0)
  t.equal(stopped, 1)
  t.same(exits, [])
  t.equal(signals.listenerCount('SIGINT'), 0)
})

t.test('SIGHUP opens files again, and is harmless before the agent runs', async t => {
  using folder = new TestFolder()
  let reopened = 0
  const { promise, resolve } = Promise.withResolvers<RunningAgent>()
  const { signals, run } = world({ startAgent: () => promise })
  const ended = run('run', '-c', folder.write('node.yaml', good))
  await eventually(() => signals.listenerCount('SIGHUP') === 1)
  signals.emit('SIGHUP')
  resolve({ reopenFiles: () => { reopened++ }, stop: () => Promise.resolve() })
  await eventually(() => { signals.emit('SIGHUP'); return reopened > 0 })
  signals.emit('SIGTERM')
  t.equal(await ended, 0)
})

t.test('a signal while it starts is not lost', async t => {
  using folder = new TestFolder()
  const { promise, resolve } = Promise.withResolvers<RunningAgent>()
  const { signals, run } = world({ startAgent: () => promise })
  const ended = run('run', '-c', folder.write('node.yaml', good))
  await eventually(() => signals.listenerCount('SIGINT') === 1)
  signals.emit('SIGINT')
  resolve({ reopenFiles, stop: () => Promise.resolve() })
  t.equal(await ended, 0)
})

t.test('a signal ends one that does not come to an end of its start', async t => {
  using folder = new TestFolder()
  const { signals, exits, run } = world({ startAgent: () => new Promise(() => {}), startingMs: 20 })
  const ended = run('run', '-c', folder.write('node.yaml', good))
  await eventually(() => signals.listenerCount('SIGTERM') === 1)
  signals.emit('SIGTERM')
  t.equal(await ended, 0)
  t.same(exits, [0])
})

t.test('a second signal ends it at once', async t => {
  using folder = new TestFolder()
  const { promise, resolve } = Promise.withResolvers<void>()
  const { signals, exits, run } = world({ startAgent: () => Promise.resolve({ reopenFiles, stop: () => promise }) })
  const ended = run('run', '-c', folder.write('node.yaml', good))
  await eventually(() => signals.listenerCount('SIGINT') === 1)
  signals.emit('SIGINT')
  t.same(exits, [])
  signals.emit('SIGTERM')
  t.same(exits, [1])
  resolve()
  await ended
})

t.test('an agent that cannot start or go on ends with 1; one that a policy file stops with 2', async t => {
  using folder = new TestFolder()
  const file = folder.write('node.yaml', good)
  let stopped = 0
  const stop = (): Promise<void> => { stopped++; return Promise.resolve() }
  for (const [startAgent, code] of [
    [() => Promise.reject(Object.assign(new Error('port taken'), { code: 'cannot-listen' })), 1],
    [() => Promise.resolve({ stop, reopenFiles, failed: Promise.reject<never>(new Error('lost')) }), 1],
    [() => Promise.reject(Object.assign(new Error('a.yaml:1: wrong'), { code: 'manifest-invalid' })), 2],
  ] as const) {
    const { said, run } = world({ startAgent })
    t.equal(await run('run', '-c', file), code)
    t.match(said.err, /^liburna: (port taken|lost|a\.yaml:1: wrong)\n$/)
  }
  t.equal(stopped, 0, 'what cannot go on is not asked to finish')
})

t.test('disarm and doctor say what they found, and 1 when it is bad', async t => {
  using folder = new TestFolder()
  const file = folder.write('node.yaml', good)
  const fine = world()
  t.equal(await fine.run('disarm', '--config', file), 0)
  t.equal(await fine.run('doctor'), 0)
  t.equal(fine.said.out, 'disarmed\nhealthy\n')
  const bad = world({ disarm: () => Promise.resolve({ ok: false, text: 'stuck\n' }), doctor: () => Promise.resolve({ ok: false, text: 'ill\n' }) })
  t.equal(await bad.run('disarm', '--config', file), 1)
  t.equal(await bad.run('doctor'), 1)
  t.equal(bad.said.out, 'stuck\nill\n')
})
