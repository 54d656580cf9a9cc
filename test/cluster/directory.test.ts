import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import t from 'tap'
import { followConfig, parseConfig } from '../../src/config.ts'
import { Directory, reportFailures } from '../../src/cluster/index.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { Metrics, Readiness } from '../../src/observe/index.ts'
import { testClusterSource } from '../conformance/cluster-source.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { memoryLog } from '../fixtures/recorder.ts'
import type { Test } from 'tap'
import type { CheckManifest } from '../../src/cluster/index.ts'
import type { SourceWorld, WantedWorkload } from '../conformance/cluster-source.ts'

const head = { node: 'alpha', cluster: 'east', trustDomain: 'east.example', authority: './authority', policies: './policies' }

function policy (name: string): string {
  return `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: {podSelector: {}}\n`
}

/** A folder with a node.yaml, to be followed for real. */
function world (t: Test) {
  const folder = new TestFolder()
  t.teardown(() => { folder[Symbol.dispose]() })
  mkdirSync(folder.at('policies'))
  const log = memoryLog()
  const setNode = (rest: object): void => { folder.replace('node.yaml', JSON.stringify({ ...head, ...rest })) }
  setNode({})
  const start = (check: CheckManifest = () => undefined): Directory => {
    const config = parseConfig(readFileSync(folder.at('node.yaml'), 'utf8'), folder.at('node.yaml'))
    const directory = new Directory({ place: config, nodeFile: config.file, policies: config.policies, settings: config.directory },
      { log, clock: systemClock, check, readSettings: followConfig(config, log) })
    t.teardown(() => { directory.stop() })
    return directory
  }
  return { folder, log, setNode, start }
}

function names (directory: Directory): string[] {
  return directory.manifests().map(({ object }) => (object as { metadata: { name: string } }).metadata.name /* as policy() made it */)
}

t.test('the directory of files is a cluster source', async t => {
  testClusterSource(t, (t): SourceWorld => {
    const { folder, setNode, start } = world(t)
    let workloads: readonly WantedWorkload[] = []
    let labels: Readonly<Record<string, string>> = {}
    let mode = 'unset'
    const write = (): void => {
      setNode({
        namespaces: { shop: { labels, mode } },
        workloads: workloads.map(({ name, netns = name, serviceAccount = 'default', labels = {}, excludedPorts = [], mode = 'unset' }) => {
          return { netns, namespace: 'shop', name, serviceAccount, labels, mode, exclude: { inboundPorts: excludedPorts } }
        }),
      })
    }
    const setPolicies = (wanted: readonly string[]): void => {
      if (wanted.length === 0) rmSync(folder.at('policies/all.yaml'), { force: true })
      else folder.replace('policies/all.yaml', wanted.map(policy).join('---\n'))
    }
    return {
      setWorkloads (wanted) { workloads = wanted; write() },
      setNamespaceLabels (wanted) { labels = wanted; write() },
      setNamespaceMode (wanted) { mode = wanted; write() },
      setPolicies,
      breakPolicies () { folder.replace('policies/all.yaml', 'kind: [') },
      repairPolicies () { setPolicies(['a', 'b']) },
      start,
    }
  })
})

t.test('a file may hold several documents, lists, JSON, or nothing', async t => {
  const { folder, start } = world(t)
  folder.write('policies/1.yaml', `# two\n${policy('a')}---\n---\n${policy('b')}`)
  folder.write('policies/2.yml', 'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: NetworkPolicyList\n  items:\n  - {apiVersion: v1, kind: NetworkPolicy, metadata: {name: c}}\n')
  folder.write('policies/3.json', '{"apiVersion": "v1", "kind": "NetworkPolicy", "metadata": {"name": "d"}}')
  folder.write('policies/4.yaml', '# nothing yet\n')
  const directory = start()
  t.same(names(directory), ['a', 'b', 'c', 'd'])
  t.same(directory.manifests().map(({ origin }) => origin), [
    `${folder.at('policies/1.yaml')}:2`, `${folder.at('policies/1.yaml')}:8`, `${folder.at('policies/2.yml')}:7`, `${folder.at('policies/3.json')}:1`,
  ])
})

t.test('what is no policy file is not read', async t => {
  const { folder, start } = world(t)
  for (const name of ['.hidden.yaml', 'a.yaml~', '#a.yaml#', 'notes.txt', '.a.yaml.swp', 'a.yaml.new']) folder.write(`policies/${name}`, 'kind: [')
  t.same(start().manifests(), [])
})

for (const [what, name, text, problem] of [
  ['no YAML', 'a.yaml', 'a: [1', /a\.yaml:1:\d+: not YAML/],
  ['no object', 'a.yaml', '\n- 1\n', /a\.yaml:2: expected a Kubernetes object/],
  ['an object without a kind', 'a.yaml', 'apiVersion: v1\n', /kind is missing/],
  ['a key twice', 'a.yaml', 'a: 1\na: 2\n', /a\.yaml:2:1: not YAML: .*unique/],
  ['an alias that leads nowhere', 'a.yaml', 'apiVersion: *x\n', /not YAML|aliases/],
  ['an object that policy refuses', 'a.yaml', policy('refused'), /a\.yaml:1: policy says no/],
] as const) {
  t.test(`at the start ${what} is refused with its place`, async t => {
    const { folder, start } = world(t)
    folder.write(`policies/${name}`, text)
    t.throws(() => start(object => JSON.stringify(object).includes('refused') ? 'policy says no' : undefined), { name: 'ClusterError', code: 'manifest-invalid', message: problem })
  })
}

t.test('a missing folder of policies is refused at the start', async t => {
  const { folder, start } = world(t)
  rmSync(folder.at('policies'), { recursive: true })
  t.throws(() => start(), { code: 'manifest-invalid', message: /the folder of policies cannot be read/ })
})

t.test('a bomb of aliases is refused', async t => {
  const { folder, start } = world(t)
  const levels = Array.from({ length: 12 }, (_, i) => i === 0 ? 'a0: &a0 [x]' : `a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join(', ')}]`)
  folder.write('policies/bomb.yaml', `apiVersion: v1\nkind: X\n${levels.join('\n')}\n`)
  t.throws(() => start(), { message: /aliases are nested too deeply/ })
})

t.test('one broken file keeps its own policies; the other files go on', async t => {
  const { folder, start } = world(t)
  folder.write('policies/a.yaml', policy('a'))
  folder.write('policies/b.yaml', policy('b'))
  const directory = start()
  folder.write('policies/a.yaml', 'kind: [')
  folder.write('policies/b.yaml', policy('b2'))
  await eventually(() => directory.failures().length === 1)
  t.same(names(directory), ['a', 'b2'])
  rmSync(folder.at('policies/a.yaml'))
  await eventually(() => directory.failures().length === 0)
  t.same(names(directory), ['b2'])
})

t.test('an emptied file keeps its policies until it is deleted', async t => {
  const { folder, start } = world(t)
  folder.write('policies/a.yaml', policy('a'))
  const directory = start()
  folder.write('policies/a.yaml', '')
  await eventually(() => directory.failures().length === 1)
  t.same(names(directory), ['a'])
  t.match(directory.failures(), [{ message: /holds no object any more; delete the file/ }])
  rmSync(folder.at('policies/a.yaml'))
  await eventually(() => directory.manifests().length === 0)
})

t.test('a folder that disappears keeps its policies, and is followed again when it is back', async t => {
  const { folder, start } = world(t)
  folder.write('policies/a.yaml', policy('a'))
  const directory = start()
  renameSync(folder.at('policies'), folder.at('away'))
  directory.refresh()
  t.match(directory.failures(), [{ origin: folder.at('policies') }])
  t.same(names(directory), ['a'])
  folder.write('policies/b.yaml', policy('b'))
  directory.refresh()
  t.same(names(directory), ['b'])
  t.same(directory.failures(), [])
})

t.test('a mounted ConfigMap is followed through its links', async t => {
  const { folder, start } = world(t)
  folder.write('policies/..v1/web.yaml', policy('old'))
  symlinkSync('..v1', folder.at('policies/..data'))
  symlinkSync('..data/web.yaml', folder.at('policies/web.yaml'))
  const directory = start()
  t.same(names(directory), ['old'])
  folder.write('policies/..v2/web.yaml', policy('new'))
  symlinkSync('..v2', folder.at('policies/..data_tmp'))
  renameSync(folder.at('policies/..data_tmp'), folder.at('policies/..data'))
  await eventually(() => names(directory)[0] === 'new')
})

t.test('a link that leads nowhere keeps the last good state', async t => {
  const { folder, start } = world(t)
  folder.write('elsewhere.yaml', policy('a'))
  symlinkSync('../elsewhere.yaml', folder.at('policies/a.yaml'))
  const directory = start()
  unlinkSync(folder.at('elsewhere.yaml'))
  directory.refresh()
  t.same(names(directory), ['a'])
  t.match(directory.failures(), [{ message: /cannot be read/ }])
})

t.test('a broken node.yaml keeps the workloads, and is told', async t => {
  const { folder, setNode, start, log } = world(t)
  setNode({ workloads: [{ netns: 'a', name: 'web-0' }] })
  const directory = start()
  const metrics = new Metrics({ version: '', node: '' })
  const readiness = new Readiness()
  reportFailures(directory, { log, metrics, readiness })
  folder.replace('node.yaml', JSON.stringify({ ...head, workloads: 5 }))
  await eventually(() => directory.failures().length === 1)
  t.same(directory.workloads().map(({ key }) => key), ['default/web-0'])
  t.match(readiness.status(), { ready: true, troubles: [{ detail: /workloads is 5; expected a list/ }] })
  t.match((await metrics.text()).text, /liburna_reload_failures_total\{source="node"\} 1\n/)
  t.match((await metrics.text()).text, /liburna_unreadable_files\{source="node"\} 1\n/)
  setNode({ workloads: [] })
  await eventually(() => directory.failures().length === 0)
  t.same(readiness.status().troubles, [])
  t.match((await metrics.text()).text, /liburna_unreadable_files\{source="node"\} 0\n/)
  t.match(log.lines, [{ level: 'error' }, { level: 'info' }])
})

t.test('settings that need a restart are named, once for each change', async t => {
  const { setNode, start, log } = world(t)
  const directory = start()
  setNode({ handshake: { timeout: '3s' }, workloads: [{ netns: 'a', name: 'web-0' }] })
  directory.refresh()
  directory.refresh()
  t.same(log.lines, [{ level: 'warn', message: 'changed settings need a restart of the agent', fields: { settings: ['handshake'] } }])
  t.equal(directory.workloads().length, 1, 'while the workloads are followed')
})

t.test('after stop nothing is told', async t => {
  const { folder, start } = world(t)
  const directory = start()
  const other = start()
  let told = 0
  directory.onChange(() => { told++ })
  directory.stop()
  folder.write('policies/a.yaml', policy('a'))
  await eventually(() => other.manifests().length === 1)
  t.equal(told, 0)
})
