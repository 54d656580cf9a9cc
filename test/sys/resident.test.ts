import { readFileSync } from 'node:fs'
import t from 'tap'
import { programMappings, releaseStartupMemory } from '../../src/sys/index.ts'

const clean = 'Rss:  100 kB\nAnonymous:             0 kB\n'
const written = 'Rss:  100 kB\nAnonymous:             4 kB\n'

t.test('only mappings of files that nobody has written are forgotten', async t => {
  const text = [
    `00400000-00746000 r--p 00000000 fe:00 77                  /usr/bin/node\n${clean}`,
    `00746000-00800000 r-xp 00346000 fe:00 77                  /usr/bin/node\n${clean}`,
    `00800000-00900000 r--p 00400000 fe:00 77                  /usr/bin/node\n${written}`,
    `00900000-00a00000 rw-p 00500000 fe:00 77                  /usr/bin/node\n${clean}`,
    `00a00000-00b00000 r-xs 00500000 fe:00 77                  /usr/bin/node\n${clean}`,
    `00b00000-00c00000 r-xp 00000000 00:00 0                   [vdso]\n${clean}`,
    `00c00000-00d00000 rwxp 00000000 00:00 0\n${clean}`,
  ].join('')
  t.same(programMappings(text), [{ from: 0x400000, length: 0x346000 }, { from: 0x746000, length: 0xba000 }])
})

t.test('the memory of this process shrinks, and the process goes on', async t => {
  const resident = (): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  const before = resident()
  releaseStartupMemory()
  t.ok(resident() < before - 5000, `${before} to ${resident()} KiB`)
  t.equal(JSON.parse('{"a":[1]}').a[0], 1)
})
