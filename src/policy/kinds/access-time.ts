/** When the rules of an AccessPolicy take part: `active: {from, until, weekly: [{days, start, end}]}`, all in UTC. */

import type { ActiveTime, WeeklyWindow } from '../normal-form.ts'
import type { Place } from '../reader.ts'

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const everyDay = 0b1111111
/** RFC 3339, with a time zone: a time without one would mean something else on each node. */
const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

export function readActive (place: Place): ActiveTime | undefined {
  if (!place.present || !place.record(['from', 'until', 'weekly'])) return undefined
  const from = place.at('from')
  const until = place.at('until')
  const fromMs = from.present ? readTime(from) ?? Infinity : -Infinity
  const untilMs = until.present ? readTime(until) ?? -Infinity : Infinity
  if (from.present && until.present && fromMs >= untilMs) until.refuse('until is after from')
  return { fromMs, untilMs, weekly: place.at('weekly').items({ most: 50 }).map(readWindow).filter(window => window !== undefined) }
}

function readTime (place: Place): number | undefined {
  const text = place.text(one => timePattern.test(one) && !Number.isNaN(Date.parse(one)) ? undefined : 'a time such as 2026-11-23T18:00:00Z is expected')
  return text === undefined ? undefined : Date.parse(text)
}

function readWindow (place: Place): WeeklyWindow | undefined {
  if (!place.record(['days', 'start', 'end'])) return undefined
  const days = place.at('days').items({ most: 7 }).map(item => item.oneOf(dayNames)).filter(day => day !== undefined)
  const [startMinute, endMinute] = [readMinute(place.at('start')), readMinute(place.at('end'))]
  if (startMinute === undefined || endMinute === undefined) return undefined
  return { days: days.length === 0 ? everyDay : days.reduce((bits, day) => bits | 1 << dayNames.indexOf(day), 0), startMinute, endMinute }
}

function readMinute (place: Place): number | undefined {
  const text = place.text(one => /^([01]\d|2[0-3]):[0-5]\d$/.test(one) ? undefined : 'a time of day such as 08:30 is expected, in UTC')
  return text === undefined ? undefined : Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
}
