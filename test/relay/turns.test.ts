/** How a relay thread shares out its time: in turns, each with a bound. What comes of it for connections is in `fairness.test.ts`. */

import t from 'tap'
import { Bell } from '../../src/sys/index.ts'
import { Chunks } from '../../src/relay/native/thread/chunk.ts'
import { Lane } from '../../src/relay/native/thread/lane.ts'
import { Loop, Wire } from '../../src/relay/native/thread/loop.ts'
import { Pipes } from '../../src/relay/native/thread/pipes.ts'
import type { Leg } from '../../src/relay/native/thread/leg.ts'
import type { Task } from '../../src/relay/native/thread/loop.ts'

/** A leg that never runs out of bytes, and takes as many; between agents, so nothing is spliced. */
function endless (slot: number): Leg {
  return {
    wire: new Wire(-1, slot, undefined),
    receivesBare: false,
    sendsBare: false,
    isEnding: false,
    failure: undefined,
    receive: (_to, room) => room,
    send: () => false,
    settle () {},
    flush: () => 'empty',
    control () {},
    finish () {},
    watch: () => 0,
    lose () {},
    fail: () => -2,
    abort () {},
    conclude () {},
  }
}

t.test('a task that always wants another turn gets one in as many as there are others', t => {
  const others = 1000
  const roundsWanted = 3
  let [busyTurns, finished] = [0, 0]
  using bell = new Bell()
  using loop: Loop = new Loop(bell.number, { onBell: () => {}, afterTurn: () => {}, onFault: error => { throw error } })
  const busy: Task = { run: () => { busyTurns++; return true }, crash () {} }
  const task = (): Task => {
    let rounds = 0
    return {
      run: () => {
        if (++rounds < roundsWanted) return true
        if (++finished === others) loop.stop()
        return false
      },
      crash () {},
    }
  }
  loop.schedule(busy)
  for (let i = 0; i < others; i++) loop.schedule(task())
  bell.ring()
  loop.run()
  t.equal(finished, others)
  t.equal(busyTurns, roundsWanted)
  t.end()
})

t.test('a direction moves no more than a megabyte, and a piece, before it gives up its turn', t => {
  const chunks = new Chunks()
  const lane = new Lane({ from: endless(1), to: endless(2), chunks, pipes: new Pipes() })
  t.equal(lane.turn(), 'again')
  t.ok(lane.moved >= 1024 * 1024 && lane.moved < 1.25 * 1024 * 1024, `${lane.moved} bytes`)
  t.equal(chunks.lent, 0)
  lane.close()
  t.end()
})
