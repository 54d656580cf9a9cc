import t from 'tap'
import { verifyChain } from '../../src/identity/index.ts'
import { badCertificates } from '../fixtures/bad-certificates.ts'
import { identityOf } from '../fixtures/authority.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const { trust, east, west, cases } = badCertificates(nowMs)

t.test('a good certificate of each trusted domain is accepted', async t => {
  t.match(verifyChain(east.certificateFor(identityOf()).certificates, trust, nowMs), { ok: true })
  t.match(verifyChain(west.certificateFor(identityOf({}, { trustDomain: 'west.example' })).certificates, trust, nowMs), { ok: true })
})

for (const { name, code, svid } of cases) {
  t.test(`refused as ${code}: ${name}`, async t => {
    const first = verifyChain(svid.certificates, trust, nowMs)
    t.equal(first.ok ? 'accepted' : first.code, code)
    t.same(verifyChain(svid.certificates, trust, nowMs), first, 'and again in the same words')
  })
}

t.test('no two cases have the same name', async t => {
  t.equal(new Set(cases.map(({ name }) => name)).size, cases.length)
})
