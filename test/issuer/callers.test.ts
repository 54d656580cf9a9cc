import t from 'tap'
import { Callers } from '../../src/issuer/index.ts'
import { bearerToken } from '../../src/issuer/token.ts'
import { FakeClock } from '../fixtures/clock.ts'
import { FakeKubernetes, podOf, tokenWith } from '../fixtures/kubernetes-fake.ts'
import type { Caller } from '../../src/issuer/index.ts'

const nowMs = Date.UTC(2026, 10, 23)
const never = new AbortController().signal
const extra = (uid = 'uid-agent-n1', node?: string): Record<string, string[]> => ({
  'authentication.kubernetes.io/pod-name': ['agent-n1'], 'authentication.kubernetes.io/pod-uid': [uid],
  ...node === undefined ? {} : { 'authentication.kubernetes.io/node-name': [node] },
})

function world () {
  const kubernetes = new FakeKubernetes()
  const clock = new FakeClock(nowMs)
  const callers = new Callers({ audience: 'liburna-issuer', agents: ['liburna/liburna-agent'] }, { reviewer: kubernetes, pods: kubernetes, clock })
  return { kubernetes, clock, ask: (token: string, address = '198.19.1.2'): Promise<Caller> => callers.authenticate(token, address, never) }
}

t.test('an agent is of the node on which the API server has its pod', async t => {
  const { kubernetes, ask } = world()
  t.same(await ask(kubernetes.agentOn('n1')), { node: 'n1', pod: 'liburna/agent-n1' })
  t.same(await ask(kubernetes.agentOn('n2', { extra: { ...extra('uid-agent-n2'), 'authentication.kubernetes.io/pod-name': ['agent-n2'] } })), { node: 'n2', pod: 'liburna/agent-n2' }, 'an older Kubernetes tells no node')
})

t.test('what the API server does not accept is refused with its reason', async t => {
  const { ask } = world()
  for (const [what, claims, code] of [
    ['of another audience', { aud: ['https://kubernetes.default.svc'], exp: 4e9 }, 'wrong-audience'],
    ['of another audience, as text', { aud: 'vault', exp: 4e9 }, 'wrong-audience'],
    ['expired', { aud: ['liburna-issuer'], exp: nowMs / 1000 }, 'token-expired'],
    ['forged', { aud: ['liburna-issuer'], exp: 4e9 }, 'token-rejected'],
    ['without claims', {}, 'wrong-audience'],
  ] as const) {
    await t.rejects(ask(tokenWith(claims)), { code }, what)
  }
})

t.test('a good token is not enough', async t => {
  for (const [what, review, code] of [
    ['an API server that knows no audiences', { audiences: [] }, 'wrong-audience'],
    ['another service account', { username: 'system:serviceaccount:shop:web' }, 'not-an-agent'],
    ['an account of that name elsewhere', { username: 'system:serviceaccount:shop:liburna-agent' }, 'not-an-agent'],
    ['a person', { username: 'liburna/liburna-agent' }, 'not-an-agent'],
    ['a name that goes on', { username: 'system:serviceaccount:liburna:liburna-agent:x' }, 'not-an-agent'],
    ['a token of no pod', { extra: {} }, 'not-bound'],
    ['a token of two pods', { extra: { ...extra(), 'authentication.kubernetes.io/pod-name': ['a', 'b'] } }, 'not-bound'],
    ['a token of an earlier pod of that name', { extra: extra('uid-of-before') }, 'agent-gone'],
    ['a token that claims another node', { extra: extra('uid-agent-n1', 'n2') }, 'node-unclear'],
  ] as const) {
    const { kubernetes, ask } = world()
    await t.rejects(ask(kubernetes.agentOn('n1', review)), { code }, what)
  }
})

t.test('an agent whose pod is not as it should be', async t => {
  for (const [what, change, code] of [
    ['gone', undefined, 'agent-gone'],
    ['ended', { isFinished: true }, 'agent-gone'],
    ['not scheduled', { node: '' }, 'node-unclear'],
    ['of another account', { serviceAccount: 'default' }, 'not-an-agent'],
  ] as const) {
    const { kubernetes, ask } = world()
    const token = kubernetes.agentOn('n1')
    const pod = kubernetes.pods.get('liburna/agent-n1') ?? podOf()
    if (change === undefined) kubernetes.pods.delete('liburna/agent-n1')
    else kubernetes.add({ ...pod, ...change })
    await t.rejects(ask(token), { code }, what)
  }
})

t.test('a good token is remembered for ten seconds, a refused one is not', async t => {
  const { kubernetes, clock, ask } = world()
  const token = kubernetes.agentOn('n1')
  await ask(token)
  await ask(token)
  t.equal(kubernetes.reviews, 1)
  kubernetes.pods.delete('liburna/agent-n1')
  clock.advance(9999)
  t.same(await ask(token), { node: 'n1', pod: 'liburna/agent-n1' })
  clock.advance(1)
  await t.rejects(ask(token), { code: 'agent-gone' })
  kubernetes.agentOn('n1')
  t.match(await ask(token), { node: 'n1' })
})

t.test('whoever guesses is not taken to the API server any more, others are', async t => {
  const { kubernetes, clock, ask } = world()
  const good = kubernetes.agentOn('n1')
  await ask(good, '10.0.0.66')
  for (let i = 0; i < 30; i++) await t.rejects(ask(tokenWith({ i, aud: 'liburna-issuer' }), '10.0.0.66'), { code: 'token-rejected' })
  const { reviews } = kubernetes
  await t.rejects(ask(tokenWith({ i: 31 }), '10.0.0.66'), { code: 'rate-limited' })
  t.equal(kubernetes.reviews, reviews)
  t.match(await ask(good, '10.0.0.66'), { node: 'n1' }, 'an agent behind the same address that is known goes on')
  t.match(await ask(kubernetes.agentOn('n2'), '10.0.0.7'), { node: 'n2' })
  clock.advance(1000)
  await t.rejects(ask(tokenWith({ i: 32 }), '10.0.0.66'), { code: 'wrong-audience' }, 'one more each second')
})

t.test('an API server that does not answer is no refusal', async t => {
  const { kubernetes, ask } = world()
  const token = kubernetes.agentOn('n1')
  kubernetes.fails = new Error('connection refused')
  for (let i = 0; i < 40; i++) await t.rejects(ask(token), { code: 'unavailable' })
  kubernetes.fails = undefined
  t.match(await ask(token), { node: 'n1' })
})

t.test('a bearer token has a form', async t => {
  const token = tokenWith({})
  t.equal(bearerToken(`Bearer ${token}`), token)
  t.equal(bearerToken(`bearer  ${token}`), token)
  for (const header of [undefined, '', 'Bearer', `Basic ${token}`, 'Bearer a.b', `Bearer ${token} x`, `Bearer ${token}\r\nX: y`, `Bearer a.${'b'.repeat(9000)}.c`]) t.equal(bearerToken(header), undefined, header?.slice(0, 40) ?? 'no header')
})
