import { EventEmitter } from 'node:events'
import t from 'tap'
import { runCli } from '../../src/cli/index.ts'
import { issuerSettingLines } from '../../src/issuer-config.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import type { CliParts } from '../../src/cli/index.ts'
import type { IssuerConfig } from '../../src/issuer-config.ts'

const good = 'cluster: east\ntrustDomain: east.example\n'

function world () {
  const said = { out: '', err: '' }
  const signals = new EventEmitter()
  const configs: IssuerConfig[] = []
  const never = (): Promise<never> => Promise.reject(new Error('not in this test'))
  let stopped = 0
  const parts: CliParts = {
    version: '1.2.3', startAgent: never, disarm: never, doctor: never, signals, exit: () => {},
    startIssuer: config => { configs.push(config); return Promise.resolve({ reopenFiles () {}, stop: () => { stopped++; return Promise.resolve() } }) },
    print: text => { said.out += text },
    printError: text => { said.err += text },
  }
  return { said, signals, configs, stopped: () => stopped, run: (...argv: string[]) => runCli(argv, parts) }
}

t.test('issuer --help lists every setting', async t => {
  const { said, run } = world()
  t.equal(await run('issuer', '--help'), 0)
  t.match(said.out, /Settings of issuer\.yaml/)
  for (const { name } of issuerSettingLines()) t.ok(said.out.includes(`  ${name} `), name)
})

t.test('issuer runs until a signal, with the API server of the command line', async t => {
  using folder = new TestFolder()
  const { signals, configs, stopped, run } = world()
  const ended = run('issuer', '-c', folder.write('issuer.yaml', good), '--api-server', 'https://10.0.0.1:443')
  await eventually(() => signals.listenerCount('SIGTERM') === 1 && configs.length === 1)
  t.match(configs, [{ trustDomain: 'east.example', kubernetes: { server: 'https://10.0.0.1:443' } }])
  signals.emit('SIGTERM')
  t.equal(await ended, 0)
  t.equal(stopped(), 1)
})

t.test('a file is checked without starting anything, and a wrong one ends with 2', async t => {
  using folder = new TestFolder()
  const { said, configs, run } = world()
  t.equal(await run('issuer', '--check', '-c', folder.write('issuer.yaml', good)), 0)
  t.match(said.out, /is right: trust domain east\.example/)
  t.equal(await run('issuer', '-c', folder.write('bad.yaml', `${good}agent: x\n`)), 2)
  t.match(said.err, /bad\.yaml:3: agent is not a setting; did you mean agents\?/)
  t.equal(await run('issuer', '-c', folder.at('none.yaml')), 2)
  t.same(configs, [])
})
