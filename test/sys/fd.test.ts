import t from 'tap'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { Fd, liveFds, SysError, traceFds } from '../../src/sys/index.ts'

const open = (): Fd => new Fd(openSync('/dev/null', 'r'))

t.test('a descriptor is closed once, by its owner', t => {
  const fd = open()
  const { number } = fd
  fstatSync(number)
  fd.close()
  t.throws(() => fstatSync(number), { code: 'EBADF' })
  t.throws(() => fd.number, /closed or given away/)
  fd.close()
  t.notOk(fd.isOpen)
  t.end()
})

t.test('leaving the scope closes it, also by an error', t => {
  let number = -1
  t.throws(() => {
    using fd = open()
    number = fd.number
    throw new Error('out')
  }, /out/)
  t.throws(() => fstatSync(number), { code: 'EBADF' })
  t.end()
})

t.test('what is given away stays open and is not ours', t => {
  const fd = open()
  const number = fd.release()
  fd.close()
  fstatSync(number)
  t.throws(() => fd.release(), /closed or given away/)
  closeSync(number)
  t.end()
})

t.test('the living are known, with who made them when asked', t => {
  t.same(liveFds(), [])
  traceFds(true)
  const fd = open()
  traceFds(false)
  const other = open()
  t.same(liveFds(), [fd, other])
  t.match(fd.madeBy, /fd\.test\.ts/)
  t.equal(other.madeBy, '')
  fd.close()
  closeSync(other.release())
  t.same(liveFds(), [])
  t.end()
})

t.test('only a descriptor makes one', t => {
  for (const number of [-1, 1.5, NaN]) t.throws(() => new Fd(number), RangeError)
  t.end()
})

t.test('an error names the call and the errno', t => {
  const error = new SysError('bpf', 1, 'BPF_PROG_LOAD', 'the log')
  t.match(error, { name: 'SysError', message: 'bpf: EPERM (BPF_PROG_LOAD)', code: 'EPERM', errno: 1, syscall: 'bpf', detail: 'the log' })
  t.equal(new SysError('bpf', 524).code, 'ENOTSUPP')
  t.equal(new SysError('bpf', 99999).code, 'unknown-errno')
  t.end()
})
