/** When an entry takes part, and when that changes next. Pure: the time is an argument; all of it is UTC. */

import type { ActiveTime, WeeklyWindow } from './normal-form.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

/** `fromMs` is inside, `untilMs` is not. */
export function isActive ({ fromMs, untilMs, weekly }: ActiveTime, nowMs: number): boolean {
  if (nowMs < fromMs || nowMs >= untilMs) return false
  return weekly.length === 0 || weekly.some(window => inWindow(window, nowMs))
}

/** Inside the window that began today, or in the one of yesterday that goes past midnight. */
function inWindow (window: WeeklyWindow, nowMs: number): boolean {
  const day = Math.floor(nowMs / dayMs)
  return [day, day - 1].some(begin => {
    const [start, end] = bounds(window, begin)
    return begins(window, begin) && nowMs >= start && nowMs < end
  })
}

/** The first moment after `nowMs` at which `isActive` may answer differently; `Infinity` when never. */
export function nextChange ({ fromMs, untilMs, weekly }: ActiveTime, nowMs: number): number {
  const marks = [fromMs, untilMs, ...weekly.flatMap(window => marksOf(window, Math.max(nowMs, fromMs)))]
  return Math.min(...marks.filter(mark => mark > nowMs && mark <= untilMs))
}

/** Starts and ends from yesterday to a week ahead. */
function marksOf (window: WeeklyWindow, nowMs: number): number[] {
  const today = Math.floor(nowMs / dayMs)
  return Array.from({ length: 9 }, (_, i) => today - 1 + i).filter(day => begins(window, day)).flatMap(day => bounds(window, day))
}

/** Day 0 of the epoch was a Thursday. */
function begins ({ days }: WeeklyWindow, day: number): boolean {
  return (days >> ((((day + 4) % 7) + 7) % 7) & 1) === 1
}

function bounds ({ startMinute, endMinute }: WeeklyWindow, day: number): [number, number] {
  const end = endMinute > startMinute ? endMinute : endMinute + 24 * 60
  return [day * dayMs + startMinute * minuteMs, day * dayMs + end * minuteMs]
}
