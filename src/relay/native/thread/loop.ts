/**
 * The loop of a relay thread: waits in epoll, then gives each task that can go on one turn.
 *
 * Edge-triggered: an edge only sets a flag on its wire, and the flag stays until the kernel says EAGAIN. A task that
 * has used its budget is put at the end of the queue, so a busy connection gets one turn in as many as there are
 * others, and no more.
 */

import { Epoll, events as bits } from '../../../sys/index.ts'

export interface Task {
  /** One turn. True asks for another one without waiting for an edge. */
  run (): boolean
  /** `run` has thrown, which is a fault of ours: lets go of its connection, and of no other. */
  crash (): void
}

/** A descriptor in the loop, and what the kernel has said of it. Made and removed by `Loop` only. */
export class Wire {
  readonly fd: number
  /** Where the loop keeps it. */
  readonly slot: number
  readable = false
  /** How often it has become readable. */
  edges = 0
  writable = false
  /** The peer has sent a FIN, which may still be behind bytes. */
  hungUp = false
  /** The peer has used urgent data: reads end at its mark, so a short one does not mean that there is no more (tcp(7)). */
  urgent = false
  /** The connection was reset, or could not be made. */
  failed = false
  /** Whether a short read has emptied the socket: what comes later is a new edge. */
  get isEmptyAfterShortRead (): boolean { return !this.urgent && !this.hungUp && !this.failed }
  /** Whom an edge concerns. */
  task: Task | undefined

  constructor (fd: number, slot: number, task: Task | undefined) {
    this.fd = fd
    this.slot = slot
    this.task = task
  }
}

interface Slot {
  generation: number
  wire: Wire | undefined
}

/** Work at a later time. */
export interface Alarm { cancel (): void }

interface SetAlarm { readonly atMs: number, work: (() => void) | undefined }

export interface LoopHooks {
  /** Called when the bell has rung, before the tasks. */
  onBell (): void
  /** Called before each wait. */
  afterTurn (): void
  /** Work of one task or alarm has thrown; the loop goes on. */
  onFault (error: unknown): void
}

/** The bell has a slot and no wire. */
const bellSlot = 0

export class Loop implements Disposable {
  readonly #epoll = new Epoll()
  readonly #slots: Slot[] = []
  readonly #free: number[] = []
  #ready: Task[] = []
  readonly #queued = new Set<Task>()
  /** Soonest first. */
  readonly #alarms: SetAlarm[] = []
  readonly #hooks: LoopHooks
  #rang = false
  #stopped = false
  /** As of the last look at the clock: after a wait, while there are alarms, and when one is set. */
  #nowMs = performance.now()

  /** `bell` is an eventfd whose ringing ends a wait; it stays the caller's. */
  constructor (bell: number, hooks: LoopHooks) {
    this.#hooks = hooks
    this.#slots.push({ generation: 0, wire: undefined })
    this.#epoll.addWake(bell, bellSlot, 0)
  }

  /** Adds a connection; its first edges come with the next wait. Throws `SysError`. */
  add (fd: number, task: Task | undefined): Wire {
    return this.#add(fd, task, (slot, generation) => { this.#epoll.addConnection(fd, slot, generation) })
  }

  /** Adds a listener; it is level-triggered, so its task runs as long as somebody waits. Throws `SysError`. */
  addListener (fd: number, task: Task): Wire {
    return this.#add(fd, task, (slot, generation) => { this.#epoll.addListener(fd, slot, generation) })
  }

  /** From now on edges of `wire` concern `task`, which gets a turn soon. */
  assign (wire: Wire, task: Task): void {
    if (wire.task !== undefined && wire.task !== task) this.#queued.delete(wire.task)
    wire.task = task
    this.schedule(task)
  }

  /** Forgets a wire. Closing the descriptor, which is the caller's to do, takes it out of the epoll. */
  remove (wire: Wire): void {
    const slot = this.#slots[wire.slot]
    if (slot === undefined || slot.wire !== wire) return
    slot.wire = undefined
    slot.generation = (slot.generation + 1) | 0
    this.#free.push(wire.slot)
    if (wire.task !== undefined) this.#queued.delete(wire.task)
    wire.task = undefined
  }

  /** As `remove`, for a descriptor that stays open. */
  withdraw (wire: Wire): void {
    this.#epoll.remove(wire.fd)
    this.remove(wire)
  }

  /** Gives `task` a turn soon. */
  schedule (task: Task): void {
    if (this.#queued.has(task)) return
    this.#queued.add(task)
    this.#ready.push(task)
  }

  /** Runs `work` once after `ms`. */
  after (ms: number, work: () => void): Alarm {
    this.#nowMs = performance.now()
    const alarm: SetAlarm = { atMs: this.#nowMs + ms, work }
    // Nearly all alarms are of one length, so the place is nearly always at the end.
    let at = this.#alarms.length
    while (at > 0 && (this.#alarms[at - 1]?.atMs ?? 0) > alarm.atMs) at--
    this.#alarms.splice(at, 0, alarm)
    return { cancel: () => { alarm.work = undefined } }
  }

  /** Runs until `stop`. */
  run (): void {
    while (!this.#stopped) {
      this.#epoll.wait(this.#timeout(), this.#onEvent)
      this.#ring()
      if (this.#rang) {
        this.#rang = false
        this.#hooks.onBell()
      }
      const turn = this.#ready
      this.#ready = []
      // A task that has left the loop meanwhile is no longer queued.
      for (const task of turn) if (this.#queued.delete(task) && this.#runGuarded(task)) this.schedule(task)
      this.#hooks.afterTurn()
    }
  }

  stop (): void { this.#stopped = true }
  [Symbol.dispose] (): void { this.#epoll.close() }

  readonly #onEvent = (index: number, generation: number, events: number): void => {
    if (index === bellSlot) { this.#rang = true; return }
    const slot = this.#slots[index]
    if (slot?.wire === undefined || slot.generation !== generation) return // closed since
    const { wire } = slot
    if ((events & (bits.in | bits.readHangUp | bits.hangUp | bits.error)) !== 0) {
      wire.readable = true
      wire.edges++
    }
    if ((events & (bits.out | bits.hangUp | bits.error)) !== 0) wire.writable = true
    if ((events & (bits.readHangUp | bits.hangUp)) !== 0) wire.hungUp = true
    if ((events & bits.urgent) !== 0) wire.urgent = true
    if ((events & bits.error) !== 0) wire.failed = true
    if (wire.task !== undefined) this.schedule(wire.task)
  }

  #add (fd: number, task: Task | undefined, register: (slot: number, generation: number) => void): Wire {
    const index = this.#free.pop() ?? this.#slots.push({ generation: 0, wire: undefined }) - 1
    const slot = this.#slots[index]
    if (slot === undefined) throw new Error('a slot that is not there') // just made, or freed earlier
    const wire = new Wire(fd, index, task)
    slot.wire = wire
    try {
      register(index, slot.generation)
    } catch (error) {
      this.remove(wire)
      throw error
    }
    return wire
  }

  #timeout (): number {
    if (this.#ready.length > 0) return 0
    const next = this.#alarms[0]
    // The turn that has just ended took less than it matters for.
    return next === undefined ? -1 : Math.max(0, Math.ceil(next.atMs - this.#nowMs))
  }

  #ring (): void {
    if (this.#alarms.length === 0) return
    this.#nowMs = performance.now()
    while ((this.#alarms[0]?.atMs ?? Infinity) <= this.#nowMs) {
      const alarm = this.#alarms.shift()
      this.#guard(() => { alarm?.work?.() })
    }
  }

  #runGuarded (task: Task): boolean {
    try {
      return task.run()
    } catch (error) {
      this.#hooks.onFault(error)
      this.#guard(() => { task.crash() })
      return false
    }
  }

  /** One connection's fault must not become that of all the others in this thread. */
  #guard (work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#hooks.onFault(error)
    }
  }
}
