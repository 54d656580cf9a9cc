/** The examples of src/tools/README.md: the files that it shows, the commands that it runs, what they say. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { factsOf } from '../../src/tools/index.ts'
import { TestFolder } from '../fixtures/folder.ts'
import { pod } from '../policy/world.ts'
import { record } from '../tools/flow-records.ts'
import { toolWorld } from './tool-world.ts'

const readme = readFileSync(new URL('../../src/tools/README.md', import.meta.url), 'utf8')

function blocks (language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text)
}

/** `$ command` and what it prints, as often as a block has them. */
function sessions (): { command: string, output: string }[] {
  return blocks('console').flatMap(block => block.split(/^\$ /m).slice(1)).map(text => {
    const end = text.indexOf('\n')
    return { command: text.slice(0, end), output: text.slice(end + 1) }
  })
}

const files = new Map(blocks('yaml').map(text => [/^# (\S+)\n/.exec(text)?.[1] ?? '', text]))
const flows = [record({ labels: { app: 'web' } }, { labels: { app: 'db' } }, 5432, { flow: 'a' }), record({ labels: { app: 'web' } }, { labels: { app: 'db' } }, 5432, { flow: 'b' })]
/** An agent with the policies of `shop` and a pod of each of its workloads. */
const facts = factsOf({
  home: { trustDomain: 'east.example', cluster: 'east' }, unsignedLabels: [],
  identities: [pod({ name: 'db-0', labels: { app: 'db' }, ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] }), pod({ name: 'web-0', labels: { app: 'web' }, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] })],
  manifests: parseAllDocuments(files.get('shop/all.yaml') ?? '').slice(3).map(document => ({ origin: 'shop/all.yaml', object: document.toJSON() as unknown })),
})
const names = ['shop', 'next', 'flows.jsonl']

t.test('what the README shows is what the commands say', async t => {
  using folder = new TestFolder()
  for (const [name, text] of files) folder.write(name, text)
  folder.write('flows.jsonl', flows.map(flow => `${JSON.stringify(flow)}\n`).join(''))
  t.equal(sessions().length, 8)
  for (const { command, output } of sessions()) {
    const [program, ...argv] = command.split(' ')
    t.equal(program, 'liburna')
    const { said, run } = toolWorld({ agent: url => { t.equal(url, 'http://127.0.0.1:9901/facts'); return facts } })
    await run(...argv.map(word => names.includes(word) ? folder.at(word) : word))
    t.equal(said.out.replaceAll(`${folder.path}/`, ''), output, command)
    t.equal(said.err, '', command)
  }
})

t.test('the form of evaluate that the README shows is understood', async t => {
  const [document = '', line = ''] = blocks('json')
  const { said, run } = toolWorld({ input: document })
  t.equal(await run('evaluate', '-i', '-', '--keep-going'), 0, said.err)
  t.equal(said.out.split('\n').length, 3, 'the manifest that is a text is told, and the flow judged')
  t.same(Object.keys(JSON.parse(line) as object), ['allowed', 'egress', 'ingress', 'observed'])
})
