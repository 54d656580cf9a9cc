/**
 * The architecture, enforced: the table of src/README.md and the habits that a machine can see.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { project, readSources, toSource } from './fixtures/sources.ts'
import type { Source } from './fixtures/sources.ts'

interface Row { readonly rank: number, readonly places: readonly string[], readonly packages: readonly string[] }

/** The table of src/README.md: rank, folders or files, what lives there, packages only here. */
const rows: readonly Row[] = readFileSync(join(project, 'src/README.md'), 'utf8').split('\n')
  .map(line => /^\| (\d+) \| (.+?) \|.*\| ?(.*?) ?\|$/.exec(line))
  .filter(match => match !== null)
  .map(([, rank = '', places = '', packages = '']) => {
    return { rank: Number(rank), places: [...places.matchAll(/`([^`]+)`/g)].map(([, place = '']) => place), packages: packages.split(', ').filter(name => name !== '') }
  })

const sources = readSources()
/** These are imported file by file; every other folder through its index. */
const withoutIndex = ['model', 'lib']
const mostLines = 300
const mostLinesOfALife = 120

function rowOf (place: string): Row | undefined {
  return rows.find(row => row.places.includes(place))
}

/** What is wrong, one line each, so that a failure reads as a list. */
function problems (check: (source: Source) => readonly string[]): string[] {
  return sources.flatMap(source => check(source).map(problem => `${source.file}: ${problem}`))
}

/** The first thing in `code` that looks like that, and its line. */
function sights (pattern: RegExp, code: string): string[] {
  const match = pattern.exec(code)
  return match === null ? [] : [`line ${code.slice(0, match.index + 1).split('\n').length}: ${match[0].trim()}`]
}

t.test('every folder and file of src is in the table of src/README.md, and the other way round', async t => {
  const there = [...new Set(sources.map(source => source.folder))].sort()
  t.same(there.filter(place => rowOf(place) === undefined), [])
  t.same(rows.flatMap(row => row.places).filter(place => !existsSync(join(project, 'src', place))), [])
})

t.test('imports lead to lower ranks only', async t => {
  t.same(problems(source => source.imports.flatMap(({ file }) => {
    const target = file?.split('/')[0] ?? source.folder
    if (target === source.folder) return []
    const [own, other] = [rowOf(source.folder), rowOf(target)]
    const isBeside = own === other && [source.folder, target].every(place => place.endsWith('.ts') || rowOf(place)?.places.some(name => name.endsWith('.ts')))
    return own !== undefined && other !== undefined && (other.rank < own.rank || isBeside) ? [] : [`imports ${file}, which is not of a lower rank`]
  })), [])
})

t.test('a folder is entered through its index', async t => {
  t.same(problems(source => source.imports.flatMap(({ file }) => {
    const [target = '', ...rest] = file?.split('/') ?? []
    const isFree = file === undefined || target === source.folder || rest.length === 0 || withoutIndex.includes(target) || rest.join('/') === 'index.ts'
    return isFree ? [] : [`imports ${file} past its index`]
  })), [])
})

t.test('relative imports name their file', async t => {
  t.same(problems(source => source.imports.flatMap(({ file }) => {
    return file === undefined || existsSync(join(project, 'src', file)) && file.endsWith('.ts') ? [] : [`imports ${file}, which is no file`]
  })), [])
})

t.test('a package is imported by its folder only', async t => {
  const owners = new Map(rows.flatMap(row => row.packages.map(name => [name, row.places] as const)))
  t.same(problems(source => source.imports.flatMap(({ specifier }) => {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) return []
    const owner = owners.get(specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/'))
    return owner?.includes(source.folder) === true ? [] : [`imports ${specifier}`]
  })), [])
})

t.test('no file imports itself, however long the way round', async t => {
  const next = new Map(sources.map(source => [source.file, source.imports.filter(({ isType }) => !isType).flatMap(({ file }) => file ?? [])]))
  const reaches = (from: string, wanted: string, seen = new Set<string>()): boolean => (next.get(from) ?? []).some(file => {
    if (file === wanted) return true
    if (seen.has(file)) return false
    seen.add(file)
    return reaches(file, wanted, seen)
  })
  t.same(problems(source => reaches(source.file, source.file) ? ['is in a circle of imports'] : []), [])
})

for (const [habit, pattern] of [
  ['no default export', /^export default\b/m],
  ['no export of everything', /^export \*/m],
  ['no any', /(?:[:<,|&(=]|\bas|\bsatisfies|\bextends)\s*any\b(?!\s*[:(])/],
  ['no enum', /^\s*(?:export )?(?:const )?enum\b/m],
  ['no environment variable', /\bprocess\.env\b/],
  ['no private by convention', /\bthis\._[a-z]/],
  ['no semicolon at the end of a line', /;$/m],
] as const) {
  t.test(habit, async t => {
    t.same(problems(({ code }) => sights(pattern, code)), [])
  })
}

t.test('memory for C is a constant of a module, a field, or lent: what only a local variable holds may be collected during the call', async t => {
  const local = /^(?!const |  (?:readonly )?#?\w+ = |.*this\.#\w+ = ).*\bnew Memory\(/m
  t.same(problems(({ file, code }) => file === 'sys/memory.ts' ? [] : sights(local, code)), [])
  for (const line of ['  const memory = new Memory(8)', '    use(new Memory(8))', '  return new Memory(8)']) t.match(line, local)
})

t.test('the patterns see what they should', async t => {
  const { code, imports } = toSource('proxy/x.ts', "import a, { b } from '../model/a.ts'\nimport type { C } from 'c'\nexport { d } from './d.ts'\nconst e = await import('../f.ts') // any;\nconst s = 'x: any' + `any`\n")
  t.same(imports, [
    { specifier: '../model/a.ts', file: 'model/a.ts', isType: false }, { specifier: 'c', file: undefined, isType: true },
    { specifier: './d.ts', file: 'proxy/d.ts', isType: false }, { specifier: '../f.ts', file: 'f.ts', isType: false },
  ])
  t.notMatch(code, /any/)
})

t.test('files are small', async t => {
  t.same(problems(({ file, text }) => {
    const most = file === 'proxy/inbound.ts' || file === 'proxy/outbound.ts' ? mostLinesOfALife : mostLines
    const lines = text.split('\n').length - 1
    return lines <= most ? [] : [`${lines} lines, at most ${most}`]
  }), [])
})

t.test('every file begins by saying what it is', async t => {
  t.same(problems(({ text }) => /^(?:#!.*\n)?\/\*\*/.test(text) ? [] : ['no doc comment at the top']), [])
})

t.test('every folder has an index', async t => {
  const folders = [...new Set(sources.filter(({ file }) => file.includes('/')).map(({ folder }) => folder))]
  t.same(folders.filter(folder => !withoutIndex.includes(folder) && !existsSync(join(project, 'src', folder, 'index.ts'))), [])
})

t.test('nothing lies about at the top', async t => {
  const allowed = ['Dockerfile', 'LICENSE', 'README.md', 'bench', 'daemonset', 'package-lock.json', 'package.json', 'src', 'test', 'tsconfig.json']
  const ignored = ['node_modules', 'dist']
  t.same(readdirSync(project).filter(name => !name.startsWith('.') && !allowed.includes(name) && !ignored.includes(name)), [])
})
