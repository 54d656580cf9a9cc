/** The ways that bytes can travel between the two agents. */

import type { RoadMode } from '../fixtures/road.ts'

const modes = {
  encrypt: { near: 'encrypt', far: 'encrypt' },
  authenticate: { near: 'authenticate', far: 'authenticate' },
  mixed: { near: 'authenticate', far: 'encrypt' },
  plain: 'plain',
  /** Whole agents, whose sessions carry one connection after another, and are lent to the relay threads. */
  reused: 'reused',
} as const satisfies Record<string, SoakMode>

export type SoakMode = RoadMode | 'reused'
export type ModeName = keyof typeof modes

export const modeNames = Object.keys(modes) as readonly ModeName[] // the keys of the table

export function modeOf (name: ModeName): SoakMode {
  return modes[name]
}
