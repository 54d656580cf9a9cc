/** What is measured: names, units, and which way is better. One table; everything that prints or compares reads it. */

export interface Figure {
  /** Head of the table's column. */
  readonly title: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  /** Digits after the point in tables. */
  readonly digits: number
}

export const figures = {
  'throughput-1': { title: '1 stream', unit: 'Gbit/s', better: 'higher', digits: 2 },
  'throughput-8': { title: '8 streams', unit: 'Gbit/s', better: 'higher', digits: 2 },
  'latency-1-p50': { title: '1 conn p50', unit: 'us', better: 'lower', digits: 0 },
  'latency-1-p99': { title: '1 conn p99', unit: 'us', better: 'lower', digits: 0 },
  'latency-64-p50': { title: '64 conns p50', unit: 'us', better: 'lower', digits: 0 },
  'latency-64-p99': { title: '64 conns p99', unit: 'us', better: 'lower', digits: 0 },
  'requests-64': { title: '64 conns', unit: 'requests/s', better: 'higher', digits: 0 },
  'connections': { title: 'new conns', unit: 'per s', better: 'higher', digits: 0 },
  'cpu-gigabyte': { title: 'CPU', unit: 'ms/GB', better: 'lower', digits: 0 },
  'cpu-request': { title: 'CPU', unit: 'us/request', better: 'lower', digits: 1 },
  'cpu-connection': { title: 'CPU', unit: 'us/conn', better: 'lower', digits: 0 },
  'memory-idle': { title: 'idle agent', unit: 'MB', better: 'lower', digits: 1 },
  'memory-connection': { title: 'per idle conn', unit: 'KiB', better: 'lower', digits: 1 },
} as const satisfies Record<string, Figure>

export type FigureName = keyof typeof figures
export const figureNames = Object.keys(figures) as readonly FigureName[] // Object.keys forgets the type of the keys

/** What one trial has measured. */
export type Sample = Readonly<Partial<Record<FigureName, number>>>

/** How much better `a` is than `b`: above 1 is better, whichever way the figure counts. */
export function advantage (figure: FigureName, a: number, b: number): number {
  return figures[figure].better === 'higher' ? a / b : b / a
}
